"""docker-compose.yaml is built and started as docs/deploy.md describes, with podman and stand-ins for the base images.

The stand-ins in `standins` are Debian 13 with its PostgreSQL and Python, and the official images' users, folders,
variables and entry points. `COMPOSE_STANDINS=FOLDER` keeps images in a folder, so that another run need not build them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from demo.ports import free_port
from demo.seaweed import READER, Seaweed
from tests.deploy.locks import ROOT
from tests.pipelines import KEY, dns_key, event, put_lines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

STANDINS = Path(__file__).parent / "standins"
PROGRAMS = ["podman", "runc", "debootstrap", "iptables"]
PARTS = ["postgres", "api-server", "scheduler", "dag-processor", "triggerer"]
PROJECT = "vpclogs-test"
IMAGES = {
    "POSTGRES_IMAGE": ("docker.io/library/postgres:17", "postgres"),
    "AIRFLOW_IMAGE": ("docker.io/apache/airflow:slim-3.3.2-python3.12", "airflow"),
}


class Stack:
    """The project of docker-compose.yaml in a copy of the checkout."""

    def __init__(self, checkout: Path, state: Path) -> None:
        self.checkout = checkout
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(state),
            "COMPOSE_STATE": str(state),
            "CONTAINERS_CONF": str(STANDINS / "containers.conf"),
        }

    def podman(self, *arguments: str, check: bool = True, timeout: int = 900, **options: object) -> str:
        """Run podman; return its output."""
        return self._run([str(STANDINS / "podman"), *arguments], check=check, timeout=timeout, **options)

    def compose(self, *arguments: str) -> str:
        """Run podman-compose in the checkout; return its output."""
        program = [str(ROOT / ".venv/bin/podman-compose"), "--podman-path", str(STANDINS / "podman")]
        return self._run([*program, "--project-name", PROJECT, *arguments], check=True, timeout=1200)

    def execute(self, service: str, *command: str, check: bool = True, **options: object) -> str:
        """Run a command in a service's container; return its output."""
        interactive = ["--interactive"] if "input" in options else []
        return self.podman("exec", *interactive, self.name(service), *command, check=check, timeout=180, **options)

    @staticmethod
    def name(service: str) -> str:
        return f"{PROJECT}_{service}_1"

    def wait_until_healthy(self, service: str) -> None:
        """Run the health check of a service until it passes."""
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            with suppress(AssertionError):
                self.podman("healthcheck", "run", self.name(service))
                return
            time.sleep(3)
        raise AssertionError(f"{service} is not healthy:\n{self.podman('logs', '--tail=40', self.name(service))}")

    def _run(self, command: list[str], *, check: bool, timeout: int, **options: object) -> str:
        done = subprocess.run(
            command,
            cwd=self.checkout,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            text=True,
            check=False,
            **options,  # type: ignore[call-overload]
        )
        assert not check or done.returncode == 0, f"{command} failed:\n{done.stdout[-4000:]}"
        return str(done.stdout)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start the project from nothing: stand-ins, our image, containers. Take everything down at the end."""
    if os.geteuid() != 0:
        pytest.skip("needs root: podman runs without systemd and user namespaces here")
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: apt-get install {' '.join(PROGRAMS)} netavark)")
    kept = os.environ.get("COMPOSE_STANDINS")
    state = Path(kept) if kept else tmp_path_factory.mktemp("podman")
    checkout = tmp_path_factory.mktemp("checkout")
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in files.stdout.rstrip("\0").split("\0"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, checkout / name)
    stack = Stack(checkout, state)
    make_standins(stack, state)
    (checkout / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables(stack).items()))
    (checkout / "config/vpclogs.yaml").write_text((checkout / "config/vpclogs.compose.yaml").read_text())
    try:
        stack.compose("up", "--build", "--detach")
        yield stack
    finally:
        stack.compose("down", "--volumes")


def make_standins(stack: Stack, state: Path) -> None:
    """Make the base images that are not there yet."""
    present = stack.podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    if "localhost/debian:trixie" not in present:
        root = state / "debian"
        command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", "trixie", str(root)]
        subprocess.run(command, check=True, capture_output=True)
        archive = state / "debian.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        stack.podman("import", str(archive), "localhost/debian:trixie")
        shutil.rmtree(root)
        archive.unlink()
    for tag, folder in IMAGES.values():
        if tag not in present:
            stack.podman("build", "--tag", tag, str(STANDINS / folder))


def variables(stack: Stack) -> dict[str, str]:
    """Return the variables of .env: the secrets of the docs' own script, and the images pinned by digest."""
    recipe = (ROOT / "docs/deploy.md").read_text().partition("<<'PY'\n")[2].partition("   PY\n")[0]
    script = "\n".join(line.removeprefix("   ") for line in recipe.splitlines())
    made = subprocess.run(["python3", "-c", script], capture_output=True, text=True, check=True).stdout
    digest = "{{index .RepoDigests 0}}"
    return {
        **dict(line.split("=", 1) for line in made.splitlines()),
        **{
            name: stack.podman("image", "inspect", "--format", digest, tag).strip() for name, (tag, _) in IMAGES.items()
        },
        "AIRFLOW_PUBLISH": f"127.0.0.1:{free_port()}",
        "AWS_ACCESS_KEY_ID": READER,
        "AWS_SECRET_ACCESS_KEY": "readersecret",
    }


@contextmanager
def forwarded(address: str, port: int) -> Iterator[str]:
    """Hand connections on to a loopback port; yield the URL at which containers reach it."""
    with socket.create_server((address, 0)) as server:

        def pump(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(1 << 16):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    near, _ = server.accept()
                    far = socket.create_connection(("127.0.0.1", port))
                    for pair in ((near, far), (far, near)):
                        threading.Thread(target=pump, args=pair, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://{address}:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


SHOW_PAGE = f"""
import json, urllib.request

def call(path, headers, body=None):
    request = urllib.request.Request("http://localhost:8080" + path, body, headers)
    return urllib.request.urlopen(request, timeout=60).read().decode()

password = json.load(open("/opt/airflow/passwords/passwords.json"))["admin"]
login = json.dumps({{"username": "admin", "password": password}}).encode()
token = json.loads(call("/auth/token", {{"Content-Type": "application/json"}}, login))["access_token"]
print(call("/vpclogs/vpc_dns/{KEY.replace("|", "/")}", {{"Authorization": "Bearer " + token}}))
"""


@pytest.mark.parametrize("service", PARTS)
def test_every_service_becomes_healthy(stack: Stack, service: str):
    stack.wait_until_healthy(service)


@pytest.mark.parametrize("service", PARTS)
def test_containers_are_not_root_and_cannot_write_outside_their_volumes(stack: Stack, service: str):
    assert stack.execute(service, "id", "-u").strip() != "0"
    status = stack.execute(service, "cat", "/proc/1/status")
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
    assert "Read-only file system" in stack.execute(service, "touch", "/etc/mine", check=False)


@pytest.mark.parametrize("service", [name for name in PARTS if name != "scheduler"])
def test_only_the_scheduler_has_aws_credentials(stack: Stack, service: str):
    assert "AWS_" not in stack.execute(service, "env")
    assert f"AWS_ACCESS_KEY_ID={READER}" in stack.execute("scheduler", "env")


def test_a_partition_is_loaded_by_a_run_of_airflow(stack: Stack, seaweed: Seaweed, bucket: str):
    put_lines(seaweed.client(), bucket, dns_key("2100"), [event(), event(rcode="NXDOMAIN"), event(query_type="AAAA")])
    gateway = json.loads(stack.podman("network", "inspect", f"{PROJECT}_default"))[0]["subnets"][0]["gateway"]
    with forwarded(gateway, int(seaweed.endpoint.rsplit(":", 1)[1])) as endpoint:
        example = (stack.checkout / "config/vpclogs.compose.yaml").read_text()
        with_server = example.replace("bucket: my-log-bucket", f"bucket: {bucket}\n    endpoint_url: {endpoint}")
        (stack.checkout / "config/vpclogs.yaml").write_text(with_server)
        unpause = (ROOT / "docs/deploy.md").read_text().partition("exec scheduler airflow dags unpause")[2]
        pattern = unpause.partition("'")[2].partition("'")[0]
        stack.wait_until_healthy("api-server")
        wait_for_dag(stack, "vpc_dns_partition")

        stack.execute("scheduler", "airflow", "dags", "unpause", "--yes", "--treat-dag-id-as-regex", pattern)
        conf = json.dumps({"partition": KEY})
        stack.execute("scheduler", "airflow", "dags", "trigger", "vpc_dns_partition", "--conf", conf, "--run-id", "one")
        state = wait_for_run(stack, "vpc_dns_partition", "one")

        logs = "cd /opt/airflow/logs && tail -n 40 dag_id=vpc_dns_partition/run_id=one/*/*.log"
        assert state == "success", stack.execute("scheduler", "bash", "-c", logs, check=False)
        query = ["vpclogs", "query", "select count(*) as rows from vpc_dns", "--format", "json"]
        assert '"rows":3' in stack.execute("scheduler", *query).replace(" ", "")
        assert "3 = 3 rows + 0 quarantined" in stack.execute("api-server", "python", "-c", SHOW_PAGE)


def test_ledger_backup_is_restored_by_the_documented_commands(stack: Stack):
    stack.wait_until_healthy("postgres")
    stack.execute("scheduler", "vpclogs", "status")  # makes the ledger's tables
    psql = ["psql", "--username=postgres", "--dbname=ledger", "--tuples-only", "--no-align"]
    before = stack.execute("postgres", *psql, "--command=select version_num from alembic_version")
    dump = ["sh", "-c", "pg_dump --username=postgres --format=custom ledger > /tmp/ledger.dump"]
    restore = ["pg_restore", "--username=postgres", "--dbname=ledger", "--clean", "--if-exists", "/tmp/ledger.dump"]

    stack.execute("postgres", *dump)
    stack.execute("postgres", *psql, "--command=delete from alembic_version")
    stack.execute("postgres", *restore)

    assert before.strip()
    assert stack.execute("postgres", *psql, "--command=select version_num from alembic_version") == before
    stack.execute("scheduler", "vpclogs", "status")  # the role owns what was restored


def wait_for_dag(stack: Stack, dag: str) -> None:
    """Wait until the DAG processor has stored a DAG."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if dag in stack.execute("scheduler", "airflow", "dags", "list", "--output", "plain", check=False):
            return
        time.sleep(3)
    raise AssertionError(f"no {dag}:\n{stack.podman('logs', '--tail=40', stack.name('dag-processor'))}")


def wait_for_run(stack: Stack, dag: str, run: str) -> str:
    """Wait until a run has ended; return its state."""
    deadline = time.monotonic() + 420
    query = f"select state from dag_run where dag_id = '{dag}' and run_id = '{run}'"
    psql = ["psql", "--username=postgres", "--dbname=airflow", "--tuples-only", "--no-align", f"--command={query}"]
    state = ""
    while time.monotonic() < deadline and state not in ("success", "failed"):
        time.sleep(3)
        state = stack.execute("postgres", *psql).strip()
    return state
