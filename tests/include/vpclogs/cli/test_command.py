"""What all commands share: help, wrong usage, broken settings, a reader that has seen enough."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.include.vpclogs.cli.conftest import COMMAND, Deployment

pytestmark = pytest.mark.server

HEAVY = (
    "airflow",
    "boto3",
    "duckdb",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "pyiceberg",
    "rich",
    "sqlalchemy",
    "yaml",
)


def test_help_names_every_command(here: Deployment) -> None:
    done = here.vpclogs("--help")

    assert done.returncode == 0
    commands = (
        "doctor parse plan load status open rerun backfill replay query monitor alerts drift check maintain ledger"
    )
    assert re.findall(r"^    (\w+) ", done.stdout, re.MULTILINE) == commands.split()
    assert "2 wrong usage" in done.stdout


def test_help_comes_at_once_because_nothing_heavy_is_imported() -> None:
    script = "import sys, vpclogs.cli; print(sorted({m.partition('.')[0] for m in sys.modules}))"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert [name for name in HEAVY if f"'{name}'" in loaded] == []


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no command"),
        pytest.param(["lod"], id="no such command"),
        pytest.param(["parse", "x"], id="a missing option"),
        pytest.param(["parse", "--log-type", "dns", "x"], id="a log type that is none"),
        pytest.param(["parse", "--log-type", "vpc_dns", "--limit", "0", "x"], id="no rows"),
        pytest.param(["parse", "--log-type", "vpc_dns", "-", "-"], id="stdin twice"),
        pytest.param(["parse", "--log-type", "vpc_dns", "a", "--rejects", "a"], id="rejects over an input"),
        pytest.param(["load", "--log-type", "vpc_dns", "--from", "2026-1-4", "--to", "x"], id="days that are none"),
        pytest.param(
            ["load", "--log-type", "vpc_dns", "--from", "2026-01-05", "--to", "2026-01-04"], id="to before from"
        ),
        pytest.param(
            ["plan", "--log-type", "vpc_dns", "--from", "2026-01-04", "--to", "2026-01-04", "--account", "12"],
            id="an account that is none",
        ),
        pytest.param(
            ["plan", "--log-type", "vpc_flow", "--from", "2026-01-04", "--to", "2026-01-04"], id="a log without source"
        ),
        pytest.param(
            ["plan", "--log-type", "vpc_dns", "--from", "2026-01-04", "--to", "2026-01-04", "--source", "x"],
            id="no such source",
        ),
        pytest.param(["status", "--partition", "x"], id="a partition key that is none"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_named(here: Deployment, arguments: list[str]) -> None:
    done = here.vpclogs(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert "vpclogs" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_that_are_wrong_are_all_told(here: Deployment) -> None:
    here.configure(bucket="bukket", vpc_dns="dns")

    done = here.vpclogs("status")

    assert done.returncode == 1
    assert "vpclogs.yaml:3: sources[0].bukket: unknown key; did you mean bucket?" in done.stderr
    assert "vpclogs.yaml:3: sources[0].log_type: Input should be 'vpc_dns' or 'vpc_flow' (found: dns)" in done.stderr


def test_without_settings_it_says_where_they_are_looked_for(here: Deployment) -> None:
    (here.folder / "vpclogs.yaml").unlink()

    done = here.vpclogs("query", "select 1")

    assert done.returncode == 1
    assert "no vpclogs.yaml or config/vpclogs.yaml" in done.stderr


def test_settings_are_named_by_option_or_environment(here: Deployment) -> None:
    (here.folder / "vpclogs.yaml").rename(here.folder / "other.yaml")

    key = "999999999999|us-east-1|2026-01-14"
    for done in (
        here.vpclogs("status", "--partition", key, "--config", "other.yaml"),
        here.vpclogs("status", "--partition", key, VPCLOGS_CONFIG="other.yaml"),
    ):
        assert f"does not know the partition {key}" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_trouble(here: Deployment) -> None:
    query = [COMMAND, "query", "select * from range(1000000)", "--format", "csv"]

    with subprocess.Popen(
        query, cwd=here.folder, env=here.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline() == b"range\n"
        running.stdout.close()
        complaints = running.stderr.read()

    assert (running.returncode, complaints) == (0, b"")


def test_broken_connections_are_failures(here: Deployment) -> None:
    script = (
        "import sys, vpclogs.cli as cli, vpclogs.cli.status as status\n"
        "def broken(arguments): raise BrokenPipeError(32, 'Broken pipe')\n"
        "status.run = broken\n"
        "sys.exit(cli.main(['status']))"
    )

    done = subprocess.run([sys.executable, "-c", script], cwd=here.folder, env=here.env, capture_output=True, text=True)

    assert done.returncode == 1
    assert "vpclogs: BrokenPipeError: [Errno 32] Broken pipe" in done.stderr


def test_environment_errors_are_sentences_with_optional_stack_traces(here: Deployment) -> None:
    (here.folder / "vpclogs.yaml").open("a").write("ledger: sqlite:////proc/ledger.db\n")

    short, long = here.vpclogs("status"), here.vpclogs("status", "--traceback")

    assert (short.returncode, long.returncode) == (1, 1)
    assert "OperationalError: (sqlite3.OperationalError) unable to open database file" in short.stderr
    assert "Traceback" not in short.stderr
    assert "Traceback" in long.stderr
