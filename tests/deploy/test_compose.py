"""docker-compose.yaml: who gets which secret, how the containers are locked down, and that docs name every variable."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml
from sqlalchemy.exc import ProgrammingError

from tests.deploy.locks import ROOT
from tests.postgres import Postgres
from vpclogs.config.settings import load_settings
from vpclogs.ledger import Ledger
from vpclogs.partitions import LogType
from vpclogs.runs import AuditDecision

TASKS = "scheduler"  # with the LocalExecutor it runs all tasks
PARTS = {"api-server", "scheduler", "dag-processor", "triggerer"}
DATABASES = ["airflow", "ledger", "catalog"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yaml").read_text()))


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(compose["services"])


def variables(text: str) -> set[str]:
    """Return the names of all ``${NAME}`` in `text`."""
    return set(re.findall(r"\$\{(\w+)", text))


def test_only_one_service_builds_the_image_that_all_parts_run(services: dict[str, dict[str, Any]]):
    assert [name for name, service in services.items() if "build" in service] == ["init"]
    assert {services[name]["image"] for name in {"init", *PARTS}} == {services["init"]["image"]}
    assert all(services[name]["pull_policy"] == "never" for name in PARTS)


def test_base_image_is_the_same_in_compose_and_dockerfile(services: dict[str, dict[str, Any]]):
    default = re.search(r"^ARG AIRFLOW_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert default is not None
    assert services["init"]["build"]["args"]["AIRFLOW_IMAGE"] == f"${{AIRFLOW_IMAGE:-{default[1]}}}"


def test_aws_credentials_reach_only_the_container_that_runs_tasks(services: dict[str, dict[str, Any]]):
    for name, service in services.items():
        keys = {key for key in service["environment"] if key.startswith("AWS_")}
        mounts = [mount for mount in service.get("volumes", []) if "/.aws" in mount]
        assert bool(keys) == bool(mounts) == (name == TASKS), name
    assert {"AWS_SESSION_TOKEN", "AWS_PROFILE"} <= set(services[TASKS]["environment"])


def test_each_service_gets_only_the_database_passwords_it_uses(services: dict[str, dict[str, Any]]):
    airflow, tasks = {"AIRFLOW_DB_PASSWORD"}, {"LEDGER_DB_PASSWORD", "CATALOG_DB_PASSWORD"}
    page = {"PAGE_DB_PASSWORD"}
    expected = dict.fromkeys(["init", *PARTS], airflow) | {TASKS: airflow | tasks, "api-server": airflow | page}
    expected["postgres"] = airflow | tasks | page | {"POSTGRES_PASSWORD"}
    for name, service in services.items():
        found = {one for one in variables(yaml.safe_dump(service["environment"])) if one.endswith("_PASSWORD")}
        assert found == expected[name], name


def test_only_the_container_that_runs_tasks_sees_settings_and_tables(services: dict[str, dict[str, Any]]):
    for name in PARTS - {TASKS}:
        assert not [mount for mount in services[name]["volumes"] if "config" in mount or "warehouse" in mount], name
    assert "./config:/opt/airflow/config:ro" in services[TASKS]["volumes"]


def test_no_container_is_root_writable_or_can_gain_privileges(services: dict[str, dict[str, Any]]):
    for name, service in services.items():
        assert service["user"] not in ("root", "0", "0:0"), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_every_service_that_stays_has_a_health_check(services: dict[str, dict[str, Any]]):
    assert {name for name, service in services.items() if "healthcheck" in service} == {"postgres", *PARTS}


def test_restart_keeps_the_size_of_a_pool_that_exists(services: dict[str, dict[str, Any]]):
    script = services["init"]["command"][-1]
    # A shell with an `airflow` that answers as the real one does: the pool exists, or it does not.
    for exists, expected in (
        (0, ["db migrate", "pools get s3"]),
        (1, ["db migrate", "pools get s3", "pools set s3 8"]),
    ):
        fake = f'airflow() {{ echo "$1 $2 $3 $4"; [ "$2" != get ] || return {exists}; }}'
        done = subprocess.run(["bash", "-c", f"{fake}; {script}"], capture_output=True, text=True, check=True)
        assert [line.strip() for line in done.stdout.splitlines()] == expected


def test_docs_name_every_variable(services: dict[str, dict[str, Any]]):
    text = (ROOT / "docker-compose.yaml").read_text()
    passed_on = {key for service in services.values() for key, value in service["environment"].items() if value is None}
    described = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/deploy.md").read_text(), re.MULTILINE))
    assert variables(text) | passed_on <= described


def test_the_secrets_made_in_the_docs_are_those_compose_requires():
    recipe = (ROOT / "docs/deploy.md").read_text().partition("<<'PY'\n")[2].partition("   PY\n")[0]
    script = "\n".join(line.removeprefix("   ") for line in recipe.splitlines())
    made = subprocess.run(["python3", "-c", script], capture_output=True, text=True, check=True).stdout
    required = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yaml").read_text()))
    assert {line.partition("=")[0] for line in made.splitlines()} == required


def test_files_with_secrets_or_own_settings_are_ignored_by_git():
    ignored = subprocess.run(
        ["git", "check-ignore", ".env", "config/vpclogs.yaml"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ignored.stdout.split() == [".env", "config/vpclogs.yaml"]


def test_example_for_compose_is_accepted_with_what_the_container_has(services: dict[str, dict[str, Any]]):
    example = ROOT / "config/vpclogs.compose.yaml"
    environment = {name: f"http://{name.lower()}" for name in services[TASKS]["environment"]}

    settings = load_settings(example, environment)

    assert len(example.read_text().splitlines()) < 35
    assert [source.log_type for source in settings.sources] == ["vpc_dns", "vpc_flow"]
    assert not [source for source in settings.sources if source.connection or source.role_arn or source.profile]
    assert settings.maintenance.retention_days.vpc_flow is None
    assert not settings.monitors.notify
    assert settings.airflow is not None
    assert settings.airflow.api_url == services[TASKS]["environment"][
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
    ].removesuffix("/execution/")
    assert settings.catalog["warehouse"] == "file:///opt/airflow/warehouse"
    assert "warehouse:/opt/airflow/warehouse" in services[TASKS]["volumes"]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Start a PostgreSQL server set up by config/postgres.sql, as its image would; passwords equal names."""
    with Postgres() as server:
        passwords = {f"{name.upper()}_DB_PASSWORD": f"{name}-password" for name in [*DATABASES, "page"]}
        server.run_script(ROOT / "config/postgres.sql", passwords)
        yield server


def connect(server: Postgres, role: str, database: str) -> psycopg2.extensions.connection:
    return psycopg2.connect(host="127.0.0.1", port=server.port, user=role, password=f"{role}-password", dbname=database)


@pytest.mark.parametrize("role", DATABASES)
def test_a_role_owns_its_own_database_and_enters_no_other(server: Postgres, role: str):
    with connect(server, role, role) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE mine (id int)")
        cursor.execute("SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False, False)
    for other in {*DATABASES, "postgres", "template1"} - {role}:
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            connect(server, role, other)


def test_the_page_reads_the_ledger_and_cannot_write(server: Postgres):
    address = f"postgresql+psycopg2://{{0}}:{{0}}-password@127.0.0.1:{server.port}/ledger"
    owner = Ledger(address.format("ledger"))

    page = Ledger(address.format("page"), read_only=True)

    assert page.partitions.status(LogType.VPC_DNS) == page.alerts.all() == []
    with pytest.raises(ProgrammingError, match="permission denied"):
        page.manifests.keep_audit(1, AuditDecision())
    owner.database.engine.dispose()
    page.database.engine.dispose()
    for other in {*DATABASES, "postgres", "template1"} - {"ledger"}:
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            connect(server, "page", other)


def test_roles_are_not_made_without_their_passwords(server: Postgres, tmp_path: Path):
    with pytest.raises(AssertionError, match="airflow_password"):
        server.run_script(ROOT / "config/postgres.sql", {})
