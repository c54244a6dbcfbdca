"""No log, table or message of a whole Airflow holds a secret that its settings or environment hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from demo.airflow_server import AirflowServer
from demo.seaweed import READER, Seaweed
from tests.dags.live_airflow import ended, eventually, make_lake, started_airflow
from tests.pipelines import KEY, dns_key, event, put_lines
from tests.postgres import PASSWORD, Postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

DAGS = ("vpc_dns_partition", "vpclogs_monitors", "vpclogs_maintenance")
SECRETS = {
    "AIRFLOW__API__SECRET_KEY": "ApiSecretKeyOfTheTest123",
    "AIRFLOW__API_AUTH__JWT_SECRET": "JwtSecretOfTheTest12345678901234567890123456789012345678901234567890",
    "AIRFLOW__CORE__FERNET_KEY": "ZmVybmV0LWtleS1vZi10aGUtdGVzdC0xMjM0NTY3ODk=",
    "AWS_SECRET_ACCESS_KEY": "AwsSecretKeyOfTheTest123",
    "AWS_SESSION_TOKEN": "AwsSessionTokenOfTheTest123",
}
MAIL_PASSWORD = "MailPasswordOfTheTest"


@dataclass
class Deployment:
    """A running Airflow, the folder of its settings, logs and tables, and the URL of its ledger."""

    airflow: AirflowServer
    folder: Path
    ledger: str


@pytest.fixture(scope="module")
def deployment(seaweed: Seaweed, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("secrets")
    make_lake(seaweed, folder, "secrets")
    ledger = postgres.create("secrets")
    url = f"{ledger.replace(f':{PASSWORD}@', '@')}?password={PASSWORD}"
    settings = (folder / "vpclogs.yaml").read_text().replace("sqlite:///ledger.db", url)
    notify = {
        "notifier": "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
        "kwargs": {"to": "team@example.com", "from_email": "a@example.com", "smtp_conn_id": "mail"},
    }
    (folder / "vpclogs.yaml").write_text(f"{settings}monitors: {{notify: [{json.dumps(notify)}]}}\n")
    mail = {"conn_type": "smtp", "host": "127.0.0.1", "port": 9, "login": "me", "password": MAIL_PASSWORD}
    variables = SECRETS | {"AIRFLOW_CONN_MAIL": json.dumps(mail)}
    with started_airflow(seaweed, folder, variables=variables) as airflow:
        yield Deployment(airflow, folder, ledger)


def test_whole_run_leaves_no_secret_in_logs_and_tables(deployment: Deployment, seaweed: Seaweed):
    put_lines(seaweed.client(), "secrets", dns_key("2100"), [event(), b"{broken"])
    api = deployment.airflow.api
    eventually(lambda: set(DAGS) <= set(api.dags()), "the DAGs are read")
    states = {}
    for dag, body in ((DAGS[0], {"conf": {"partition": KEY}}), (DAGS[0], {}), (DAGS[1], {}), (DAGS[2], {})):
        api.unpause(dag)
        run = api.post(f"dags/{dag}/dagRuns", {"logical_date": None, **body})["dag_run_id"]
        states[dag, bool(body)] = ended(deployment.airflow, dag, run)
    assert states[DAGS[0], False] == "failed"  # no partition: a stack trace is logged

    secrets = [*SECRETS.values(), PASSWORD, MAIL_PASSWORD, seaweed.secrets[READER]]
    found = [f"{place}: {secret}" for place, content in contents(deployment) for secret in secrets if secret in content]

    assert found == []


def contents(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Yield the name and content of every log file, ledger table and file of the tables."""
    logs = [*(deployment.folder / "logs").rglob("*"), *(deployment.folder / "airflow/logs").rglob("*")]
    read = [path for path in (*logs, *(deployment.folder / "warehouse").rglob("*")) if path.is_file()]
    assert any("task_id=publish" in str(path) for path in read)
    for path in read:
        yield str(path.relative_to(deployment.folder)), path.read_bytes().decode("latin-1")
    engine = create_engine(re.sub(r"^postgresql:", "postgresql+psycopg2:", deployment.ledger))
    with engine.connect() as connection:
        names = inspect(engine).get_table_names()
        assert "manifests" in names
        for name in names:
            yield name, str(connection.execute(text(f'select * from "{name}"')).all())
    engine.dispose()
