"""Every command over hostile keys, records and answers: no raw control character, no forged line."""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import re
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.seaweed import Seaweed
from tests.fake_airflow import PASSWORD, FakeAirflow, fake_airflow
from tests.hostile.commands import Written, run_commands
from tests.include.vpclogs.cli.conftest import COMMAND, Deployment, deploy, keys
from tests.pipelines import KEY, dns_key, event, flow_key, put_lines
from vpclogs.cli import make_parser

FORGED = "vpclogs: published 5 partitions"
_STYLE = re.compile(r"\x1b\[[0-9;]*[mK]|\x1b\[\?25[hl]|\x1b\[1A")
"""Colors, and what a progress bar needs: erase the line, hide the cursor, go one line up."""

HOSTILE = f"x\x1b[2J\x9b31m\u202e\u2066\u200b\u2028\x7f\n{FORGED}"
DAYS = ["--from", "2022-10-07", "--to", "2022-10-07"]
DNS = ["--log-type", "vpc_dns"]
LOGIN = {"VPCLOGS_AIRFLOW_USERNAME": "me", "VPCLOGS_AIRFLOW_PASSWORD": PASSWORD}

SETTINGS = """
checks_folder: checks
audit: {{max_quarantined_share: 1, max_refused_objects_share: 1, max_foreign_region_share: 1}}
airflow: {{url: "{airflow}"}}
"""

CASES: list[list[str]] = [
    ["doctor"],
    ["plan", *DNS, *DAYS],
    ["plan", "--log-type", "vpc_flow", *DAYS],
    ["plan", *DNS, *DAYS, "--region", HOSTILE],
    ["plan", *DNS, *DAYS, "--source", HOSTILE],
    ["plan", *DNS, *DAYS, "--account", HOSTILE],
    ["plan", *DNS, "--from", HOSTILE, "--to", "2022-10-07"],
    ["load", *DNS, *DAYS],
    ["load", "--log-type", "vpc_flow", *DAYS],
    ["load", *DNS, *DAYS, "--config", HOSTILE],
    ["parse", *DNS, "hostile.log.gz", "--rejects", "rejects.json"],
    ["parse", *DNS, HOSTILE],
    ["parse", *DNS, "\udcff" + HOSTILE],
    ["parse", "--log-type", "vpc_flow", "hostile.parquet"],
    ["parse", *DNS, f"s3://{{bucket}}/{HOSTILE}"],
    ["status"],
    ["status", "--failed"],
    ["status", "--partition", KEY],
    ["status", "--partition", HOSTILE],
    ["query", "select * from quarantine"],
    ["query", "select * from quarantine", "--format", "json"],
    ["query", "select * from vpc_dns"],
    ["query", "select * from vpc_dns", "--format", "json"],
    ["query", f'select 1 as "{HOSTILE}"'],
    ["query", f'select 1 as "{HOSTILE}"', "--format", "json"],
    ["query", f"select '{HOSTILE}'::int"],
    ["query", "select query_name::int from vpc_dns"],
    ["query", f"select from {HOSTILE}"],
    ["query", HOSTILE],
    ["query", "select 1", HOSTILE],
    ["check"],
    ["check", HOSTILE],
    ["monitor"],
    ["alerts", "--all"],
    ["drift", "--columns"],
    ["drift", "--source", HOSTILE],
    ["maintain", *DAYS],
    ["maintain", HOSTILE],
    ["replay", *DNS, "--dry-run"],
    ["replay", *DNS, "--reason", HOSTILE],
    ["replay", *DNS, "--partition", HOSTILE],
    ["replay", *DNS],
    ["open", KEY, *DNS],
    ["open", HOSTILE, *DNS],
    ["rerun", KEY, *DNS, "--local"],
    ["rerun", HOSTILE, *DNS, "--local"],
    ["rerun", KEY, *DNS, "--wait"],
    ["backfill", *DNS, *DAYS, "--all", "--dry-run"],
    ["backfill", *DNS, *DAYS, "--all", "--yes", "--local"],
    ["backfill", *DNS, *DAYS, "--budget", HOSTILE],
    ["ledger", "rebuild", "--dry-run"],
    ["ledger", "rebuild"],
    ["ledger", HOSTILE],
    [HOSTILE],
    ["status", HOSTILE],
    ["status", "--traceback", "--config", HOSTILE],
    ["query", "select query_name::int from vpc_dns", "--traceback"],
]


@pytest.fixture(scope="module")
def airflow() -> Iterator[FakeAirflow]:
    with fake_airflow() as server:
        server.answers += [(409, HOSTILE)]
        yield server


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, seaweed: Seaweed, s3: Any, airflow: FakeAirflow) -> Deployment:
    """A deployment whose bucket holds what somebody wrote to do harm."""
    s3.create_bucket(Bucket="hostile-output")
    deployment = deploy(tmp_path_factory.mktemp("output"), "hostile-output", seaweed.endpoint, **keys(seaweed), **LOGIN)
    deliver(s3, "hostile-output")
    path = deployment.folder / "vpclogs.yaml"
    flow = f"  - {{name: flow, log_type: vpc_flow, bucket: hostile-output, endpoint_url: '{seaweed.endpoint}'}}"
    head = path.read_text().partition("audit:")[0]
    path.write_text(head + flow + "\n" + SETTINGS.format(airflow=airflow.url))
    checks = deployment.folder / "checks"
    checks.mkdir()
    header = "-- severity: error\n-- message: hostile \x1b[2J\u202e\n"
    (checks / "rows.sql").write_text(f"{header}select query_name, rcode from vpc_dns order by 1 desc")
    (checks / "broken.sql").write_text(f"{header}select query_name::int from vpc_dns")
    write_files(deployment.folder)
    return deployment


def deliver(s3: Any, bucket: str) -> None:
    records = [
        event(),
        event(query_name=HOSTILE),
        event(**{HOSTILE: 1, "srcids": {HOSTILE: HOSTILE}}),
        event(rcode=HOSTILE, version=HOSTILE),
        event(account_id=HOSTILE),
        event(region=HOSTILE),
        event(srcaddr=HOSTILE),
        event(query_timestamp=HOSTILE),
        HOSTILE.encode(),
        b"\xff\xfe" + HOSTILE.encode(),
    ]
    put_lines(s3, bucket, dns_key("2100"), records)
    put_lines(s3, bucket, dns_key("2200", vpc="vpc-0bad0bad"), [event(region=f"us-odd-1{HOSTILE}")])
    put_lines(s3, bucket, flow_key("2100"), [HOSTILE.replace("\n", " ").encode(), b"2 x y"])
    put_lines(s3, bucket, flow_key("2200"), [b"version account-id " + HOSTILE.replace("\n", " ").encode(), b"2 1 x"])
    for key in (dns_key("2300"), flow_key("2300")):
        s3.put_object(Bucket=bucket, Key=key.replace("_0123abcd", f"_{HOSTILE}"), Body=b"x")
        folder, _, file = key.rpartition("/")
        s3.put_object(Bucket=bucket, Key=f"{folder}/{HOSTILE}/{file}", Body=b"x")
    for parent in ("AWSLogs/", "AWSLogs/123456789012/vpcdnsquerylogs/", "AWSLogs/123456789012/vpcflowlogs/"):
        s3.put_object(Bucket=bucket, Key=f"{parent}{HOSTILE}/2022/10/07/x.log.gz", Body=b"x")


def write_files(folder: Path) -> None:
    import gzip

    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "hostile.log.gz").write_bytes(gzip.compress(event(query_name=HOSTILE) + b"\n" + HOSTILE.encode()))
    pq.write_table(pa.table({HOSTILE: [HOSTILE], "version": [HOSTILE]}), folder / "hostile.parquet")


@pytest.fixture(scope="module")
def written(hostile: Deployment) -> list[Written]:
    """Run the cases one after the other, in one process."""
    jobs = [(hostile.folder, [argument.replace("{bucket}", hostile.bucket) for argument in case]) for case in CASES]
    return run_commands(hostile.folder, jobs, hostile.env)


def test_every_command_is_among_the_cases() -> None:
    assert {tuple(words) for words in _commands(make_parser())} <= {
        tuple(case[: len(words)]) for case in CASES for words in _commands(make_parser())
    }


def test_no_command_prints_control_characters_or_forged_lines(written: list[Written]) -> None:
    for one in written:
        for text in (one.stdout, one.stderr):
            for line in text.split("\n"):
                assert line.isprintable(), (one.arguments, line)
                assert not line.startswith(FORGED), (one.arguments, line)


def test_no_command_fails_unforeseen(written: list[Written]) -> None:
    traces = [one.arguments for one in written if "Traceback" in one.stderr]

    assert all("--traceback" in arguments for arguments in traces)
    assert len(traces) == 2


@pytest.mark.parametrize(
    "arguments",
    [["query", "select * from vpc_dns"], ["load", *DNS, *DAYS], ["status", "--partition", KEY], ["drift", "--columns"]],
    ids=lambda arguments: arguments[0],
)
def test_terminal_gets_only_sequences_of_tables_and_bars(
    hostile: Deployment, written: list[Written], arguments: list[str]
) -> None:
    screen = on_terminal(hostile, arguments)

    for line in _STYLE.sub("", screen).replace("\r", "").split("\n"):
        assert line.isprintable(), line
        assert not line.startswith(FORGED), line


def test_hostile_text_is_shown_escaped(written: list[Written]) -> None:
    escaped = sum(r"\x1b[2J" in one.stdout + one.stderr for one in written)

    assert escaped > 20


def on_terminal(hostile: Deployment, arguments: list[str]) -> str:
    """What the command writes if stdout and stderr are a terminal 2,000 columns wide."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (50, 2000))
    chunks = []
    with subprocess.Popen([COMMAND, *arguments], cwd=hostile.folder, env=hostile.env, stdout=its, stderr=its):
        os.close(its)
        with contextlib.suppress(OSError):  # EIO is the end
            while chunk := os.read(ours, 65536):
                chunks.append(chunk)
        os.close(ours)
    return b"".join(chunks).decode()


def _commands(parser: argparse.ArgumentParser) -> Iterator[list[str]]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield []
    for group in groups:
        for name, command in group.choices.items():
            for words in _commands(command):
                yield [name, *words]
