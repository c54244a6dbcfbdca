"""A whole Airflow over one bucket of the test's S3 server, and what tests ask of it, in few words."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from demo.airflow_server import AirflowServer, PortTakenError
from demo.ports import free_port
from demo.seaweed import READER, Seaweed

OVER = ("success", "failed")
ATTEMPTS = 3


def make_lake(seaweed: Seaweed, folder: Path, bucket: str) -> None:
    """Make the bucket, and in the folder the configuration that reads it; ledger and tables will be there too."""
    seaweed.client().create_bucket(Bucket=bucket)
    (folder / "vpclogs.yaml").write_text(f"""
ledger: sqlite:///ledger.db
catalog: {{type: sql, uri: "sqlite:///catalog.db", warehouse: "file://warehouse"}}
sources: [{{name: dns, log_type: vpc_dns, bucket: {bucket}, connection: logs}}]
""")


@contextmanager
def started_airflow(
    seaweed: Seaweed,
    lake: Path,
    *,
    choose_port: Callable[[], int] = free_port,
    variables: Mapping[str, str] | None = None,
) -> Iterator[AirflowServer]:
    """Airflow with all its parts, the DAGs switched off; its tasks use the lake's configuration.

    It is started anew with another port if its port is taken before the API server binds it.
    """
    extra = {"endpoint_url": seaweed.endpoint, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": READER, "password": seaweed.secrets[READER], "extra": extra}
    own = {"VPCLOGS_CONFIG": str(lake / "vpclogs.yaml"), "AIRFLOW_CONN_LOGS": json.dumps(connection)}
    own |= variables or {}
    for attempt in range(1, ATTEMPTS + 1):
        server = AirflowServer(
            lake / "airflow", port=choose_port(), logs=lake / "logs", extra=own | dict(variables or {})
        )
        try:
            server.start(print)
            break
        except BaseException as error:
            server.stop()
            if not isinstance(error, PortTakenError) or attempt == ATTEMPTS:
                raise
    try:
        yield server
    finally:
        server.stop()


def switch_on(airflow: AirflowServer) -> None:
    """Both DAGs of vpc_dns, as soon as they are read; the partition's first, for its runs must not wait."""
    eventually(lambda: "vpc_dns_partition" in airflow.api.dags(), "the DAGs are read")
    for dag in ("vpc_dns_partition", "vpc_dns_hourly"):
        airflow.api.unpause(dag)


def eventually(condition: Callable[[], Any], what: str, seconds: float = 400) -> Any:
    """What `condition` gives, as soon as it gives something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(1)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


def runs(airflow: AirflowServer, dag: str) -> list[dict[str, Any]]:
    """The runs, oldest first."""
    return airflow.api.get(f"dags/{dag}/dagRuns", limit=50, order_by="run_after")["dag_runs"]


def run_path(dag: str, run_id: str) -> str:
    """The run in the REST API, and below /dags in the UI."""
    return f"dags/{dag}/dagRuns/{quote(run_id, safe='')}"


def ended(airflow: AirflowServer, dag: str, run_id: str) -> str:
    """The state of the run when it is over."""
    path = run_path(dag, run_id)
    done = eventually(lambda: (run := airflow.api.get(path))["state"] in OVER and run, f"{run_id} ends")
    return str(done["state"])


def log(airflow: AirflowServer, dag: str, run_id: str, task: str) -> str:
    """What the first try of a task wrote."""
    return json.dumps(airflow.api.get(f"{run_path(dag, run_id)}/taskInstances/{task}/logs/1"))
