"""What reading a DAG file costs, in an interpreter of its own. Airflow does it every few seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

READ = """
import json, runpy, sys, time

# What Airflow itself loads and opens for these is not ours.
from airflow.sdk import Asset, CronDataIntervalTimetable, Param, PartitionedAssetTimetable, dag, task

loaded, touched = set(sys.modules), []
CODE = (".py", ".pyc", ".so")


def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "sqlite3.connect", "subprocess.Popen"):
        touched.append([event, str(arguments)])
    elif event == "open" and not str(arguments[0]).endswith(CODE) and "site-packages" not in str(arguments[0]):
        touched.append([event, str(arguments[0])])


sys.addaudithook(watch)
started = time.process_time()
for file in sys.argv[1:]:
    runpy.run_path(file)
seconds = time.process_time() - started
print(json.dumps({"seconds": seconds, "touched": touched, "modules": sorted(set(sys.modules) - loaded)}))
"""


@pytest.fixture(scope="module")
def reading(repository: Path) -> dict[str, Any]:
    """CPU seconds to read all DAG files, what was touched, which modules were loaded."""
    files = sorted(str(path) for path in (repository / "dags").glob("*.py"))
    # A configuration that nobody may look for while a file is only read.
    environment = {**os.environ, "VPCLOGS_CONFIG": "/nowhere/vpclogs.yaml"}
    command = [sys.executable, "-B", "-c", READ, *files]  # -B: writing byte code would be seen as opening a file
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_parsing_dags_opens_no_file_socket_or_database(reading):
    assert reading["touched"] == []


def test_parsing_dags_loads_no_data_library_or_aws_sdk(reading):
    heavy = {"boto3", "botocore", "duckdb", "pandas", "pyarrow", "pyiceberg", "airflow.providers.amazon"}

    assert heavy.isdisjoint(reading["modules"])


def test_reading_all_files_takes_a_fraction_of_a_second(reading):
    assert reading["seconds"] < 0.5  # measured: 0.05 s
