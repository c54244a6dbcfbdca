"""A whole Airflow on this machine: API server, scheduler, DAG processor, triggerer.

It is what `airflow standalone` runs, but each part is started by itself, because
standalone's log servers listen on every network interface and this demo's must not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from demo.airflow_api import AirflowApi
from demo.options import REPOSITORY, DemoError
from demo.ports import is_free, listens
from demo.processes import Background

__all__ = ["PASSWORD", "USER", "AirflowServer", "PortTakenError", "choose_port"]

USER, PASSWORD = "admin", "vpclogs"

# Idle, it takes 20 seconds. A part that ended is noticed at once, so patience costs nothing.
_READY_SECONDS = 600.0
_PARTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
# The components of Airflow's health report, by the part that must be up for it.
_HEALTH = {
    "api-server": "metadatabase",
    "scheduler": "scheduler",
    "dag-processor": "dag_processor",
    "triggerer": "triggerer",
}


class PortTakenError(DemoError):
    """Raised when another program holds the port of the UI."""


class AirflowServer:
    """An Airflow in ``home`` at ``port``. ``extra`` are environment variables of its tasks.

    Its state is SQLite, its executor runs tasks on this machine, and every socket is bound to 127.0.0.1.
    """

    def __init__(self, home: Path, *, port: int, logs: Path, extra: Mapping[str, str]) -> None:
        self.home = home
        self.port = port
        self.parts = [Background(name, home / "run", logs / f"airflow-{name}.log") for name in _PARTS]
        self.extra = dict(extra)
        self.api = AirflowApi(self.url, USER, PASSWORD)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """True if all parts run, with exactly the settings of this object."""
        settings = self.home / "run" / "settings.json"
        return (
            all(part.running for part in self.parts)
            and settings.exists()
            and json.loads(settings.read_text()) == self.settings()
        )

    def settings(self) -> dict[str, str]:
        """The environment variables that make this Airflow; the rest of its environment does not matter."""
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(2 * (os.cpu_count() or 2)),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            # Tasks connect to the API server, by default at port 8080.
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            # On a busy machine the API server is slow to answer; by default tasks give up after 5 s and fail.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__INSTANCE_NAME": "vpclogs demo",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            **self.extra,
        }

    def environment(self) -> dict[str, str]:
        """Return the environment of its processes: this one's, without the variables of another Airflow or of AWS."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))}
        bin_folder = str(Path(sys.executable).parent)
        path = os.pathsep.join([bin_folder, os.environ.get("PATH", os.defpath)])
        return kept | self.settings() | {"PATH": path}

    def start(self, say: Callable[[str], None]) -> bool:
        """Start the parts that do not run, and wait until all are healthy. Return True if any was started.

        Raises:
            PortTakenError: another program holds the port, or took it before the API server bound it.
            DemoError: a part ended, or it was not up in time; with the last lines of its log.
        """
        runs = self.running
        if not runs:
            self.stop()
            self._prepare(say)
            _require_free(self.port)
            say("Airflow: starting, this takes half a minute or more")
            for part in self.parts:
                part.start(self._command(*_PARTS[part.name]), env=self.environment(), cwd=REPOSITORY)
            (self.home / "run" / "settings.json").write_text(json.dumps(self.settings()))
        self._wait_healthy(say)
        return not runs

    def stop(self) -> None:
        """Stop all parts, whoever started them."""
        for part in self.parts:
            part.ask_to_stop()
        for part in self.parts:
            part.wait_stopped()

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "airflow", *arguments]

    def _prepare(self, say: Callable[[str], None]) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        passwords = self.home / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({USER: PASSWORD}))
        if not (self.home / "airflow.db").exists():
            say("Airflow: making its database")
        result = subprocess.run(
            self._command("db", "migrate"), env=self.environment(), cwd=REPOSITORY, capture_output=True, text=True
        )
        if result.returncode:
            raise DemoError(f"Airflow could not make its database in {self.home}:\n{_last(result.stderr)}")

    def _wait_healthy(self, say: Callable[[str], None]) -> None:
        """Wait until the API server, which must be our own, reports every part as healthy."""
        deadline = time.monotonic() + _READY_SECONDS
        waiting = dict(_HEALTH)
        while waiting:
            self._require_running()
            if time.monotonic() > deadline:
                logs = "\n".join(part.log_end() for part in self.parts if part.name in waiting)
                raise DemoError(f"Airflow was not up after {_READY_SECONDS:.0f} s ({', '.join(waiting)}). {logs}")
            time.sleep(0.5)
            if not listens(self.parts[0].pid, self.port):
                continue
            health = self.api.health()
            for name in [name for name, component in waiting.items() if health.get(component) == "healthy"]:
                say(f"Airflow: {name.replace('-', ' ')} is up")
                del waiting[name]

    def _require_running(self) -> None:
        for part in self.parts:
            if not part.running:
                lost = "address already in use" in part.log_end().lower()
                kind = PortTakenError if lost else DemoError
                raise kind(f"Airflow's {part.name} ended by itself. {part.log_end()}")


def choose_port(wanted: int | None, before: int | None, own: bool) -> int:
    """The port of the UI: as asked for, else as last time, else the first free one from 8080.

    ``own`` is True if this demo's own server may hold the port of last time.

    Raises:
        DemoError: the port asked for is taken.
    """
    if wanted is not None:
        if not (own and wanted == before) and not is_free(wanted):
            why = "is reserved for root" if wanted < 1024 and os.geteuid() != 0 else "is taken by another program"
            raise PortTakenError(f"port {wanted} (DEMO_PORT) {why}: name another port, or leave DEMO_PORT out")
        return wanted
    candidates = ([before] if before else []) + list(range(8080, 8100))
    for port in candidates:
        if (own and port == before) or is_free(port):
            return port
    raise DemoError("the ports 8080 to 8099 are all taken: choose another with DEMO_PORT=...")


def _require_free(port: int) -> None:
    if not is_free(port):
        raise PortTakenError(f"port {port} is taken by another program: choose another with DEMO_PORT=...")


def _last(text: str, lines: int = 15) -> str:
    return "\n".join(text.splitlines()[-lines:])
