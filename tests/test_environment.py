"""The tests take nothing from the shell that starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.options import Options
from demo.ports import free_port
from demo.stack import Stack
from tests.environment import ZONE

pytestmark = pytest.mark.server

PRINT = "import json, os, tests.conftest; print(json.dumps(dict(os.environ)))"
HOSTILE = {
    "AWS_ACCESS_KEY_ID": "leaked",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_PROFILE": "leaked",
    "COLUMNS": "20",
    "DEMO_PORT": "9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "LC_ALL": "C",
    "NO_COLOR": "1",
    "TZ": "America/New_York",
    "VPCLOGS_AIRFLOW_TOKEN": "leaked",
}


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell that has sourced ``var/demo/env``, and more."""
    demo = Stack(Options(tmp_path / "demo", port=free_port()), now=datetime(2026, 1, 16, 9, 20, tzinfo=UTC))
    config = tmp_path / "home" / ".aws" / "config"
    config.parent.mkdir(parents=True)
    config.write_text("[default]\nregion = leaked\n")
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), **demo.airflow.settings(), **HOSTILE}


def environment_in(shell: dict[str, str], repository: Path) -> dict[str, str]:
    """Return the variables that tests see when they are started in this shell."""
    run = subprocess.run([sys.executable, "-c", PRINT], cwd=repository, env=shell, capture_output=True, check=True)
    seen: dict[str, str] = json.loads(run.stdout)
    folder = str(Path(seen["HOME"]).parent)
    return {name: value.replace(folder, "FOLDER") for name, value in seen.items()}


def test_the_shells_variables_do_not_reach_the_tests(hostile: dict[str, str], repository: Path) -> None:
    clean = environment_in({"PATH": os.environ["PATH"]}, repository)

    leaked = environment_in(hostile, repository).items() - clean.items()

    assert leaked == {("HTTP_PROXY", HOSTILE["HTTP_PROXY"])}  # bypassed on the loopback address
    assert clean["NO_PROXY"] == "127.0.0.1,localhost"


def test_suite_passes_in_a_shell_with_the_demos_environment(hostile: dict[str, str], repository: Path) -> None:
    tests = ["tests/plugins/vpclogs_airflow/test_defaults.py", "tests/include/vpclogs/s3/test_clients.py"]

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=repository,
        env=hostile,
        capture_output=True,
        text=True,
    )

    assert run.returncode == 0, run.stdout


def test_the_suite_runs_in_a_zone_far_from_utc() -> None:
    assert time.tzname[0] not in ("UTC", "GMT")
    assert os.environ["TZ"] == ZONE
    assert datetime.fromtimestamp(0).isoformat() == "1970-01-01T12:45:00"  # noqa: DTZ006 - local time is meant
