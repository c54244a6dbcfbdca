"""`python -m benchmarks.dag_overhead`: what Airflow adds to the work of an hourly run.

Starts the demo in a folder of its own, lets the hourly DNS DAG load the sample and then run
again with nothing new, and does the same two loads with `vpclogs load`, without Airflow. The
overhead is the wall time of the run less that of the command.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo import runs
from demo.options import Options
from demo.seaweed import READER
from demo.stack import CONNECTION, POOL, Stack

FOLDER = Path("var/bench/dag").absolute()
DAG = "vpc_dns_hourly"


@contextmanager
def airflow() -> Iterator[Stack]:
    """The demo's S3 server with the sample in it, and its Airflow."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    stack = Stack(Options(folder=FOLDER), now=datetime.now(UTC))
    try:
        stack.start_s3()
        stack.write_sample(late=False, progress=lambda done, total: None)
        stack.write_config()
        stack.airflow.start(lambda line: None)
        stack.airflow.api.make_pool(POOL, slots=max(2, os.cpu_count() or 2))
        yield stack
    finally:
        stack.stop()


def run_of_dag(stack: Stack) -> tuple[float, float]:
    """Seconds that a run took, and of them those of its tasks, of mapped ones the longest."""
    api = stack.airflow.api
    started = runs.begin(api, [DAG], companions=["vpc_dns_partition"])
    runs.finish(api, started, logs=stack.airflow.home / "logs", say=lambda line: None)
    run = api.run(DAG, started[DAG])
    longest: dict[str, float] = {}
    for one in api.task_instances(DAG, started[DAG]):
        longest[one["task_id"]] = max(longest.get(one["task_id"], 0.0), one["duration"] or 0.0)
    return _seconds(run), sum(longest.values())


def command(stack: Stack) -> float:
    """Wall seconds of `vpclogs load` of the same days, with a ledger and tables of its own."""
    home = FOLDER / "command"
    home.mkdir(exist_ok=True)
    connection, place = f"connection: {CONNECTION}", f'endpoint_url: "{stack.seaweed.endpoint}"\n    region: us-east-1'
    (home / "vpclogs.yaml").write_text(stack.config.read_text().replace(connection, place))
    credentials = stack.seaweed.credentials(READER)
    days = stack.sample.days
    start = time.perf_counter()
    span = ["--from", days[0].isoformat(), "--to", days[-1].isoformat()]
    subprocess.run(
        [str(Path(sys.executable).parent / "vpclogs"), "load", "--log-type", "vpc_dns", *span],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_"))},
            "VPCLOGS_CONFIG": str(home / "vpclogs.yaml"),
            "AWS_ACCESS_KEY_ID": credentials["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": credentials["aws_secret_access_key"],
        },
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


def _seconds(run: dict[str, Any]) -> float:
    start, end = (datetime.fromisoformat(run[name]) for name in ("start_date", "end_date"))
    return (end - start).total_seconds()


def main() -> None:
    with airflow() as stack:
        for what in ("the sample", "nothing new"):
            wall, tasks = run_of_dag(stack)
            work = command(stack)
            print(f"  {what}: run {wall:.1f} s, its tasks one after another {tasks:.1f} s, vpclogs load {work:.1f} s")
            print(f"  overhead of the run: {wall - work:.1f} s", flush=True)


if __name__ == "__main__":
    main()
