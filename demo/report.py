"""Compares what was loaded with what the sample's generator knows, and shows it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.options import REPOSITORY, DemoError
from demo.sample import DNS, FLOW, Truth
from demo.stack import Stack
from vpclogs.ledger import Ledger
from vpclogs.partitions import LogType
from vpclogs.querying import open_tables, select
from vpclogs.settings import Settings, load_settings
from vpclogs.warehouse import Warehouse

__all__ = ["check", "show_next_steps", "show_queries"]

_TITLES = {DNS: "AWS.VPCDns", FLOW: "AWS.VPCFlow"}
_PARTITION = "p_account || '|' || p_region || '|' || p_day"
_QUERIES = (
    "select p_region as region, query_name, count(*) as queries from vpc_dns where rcode = 'NXDOMAIN' "
    "group by all order by queries desc limit 5",
    "select dstPort, action, count(*) as flows, sum(bytes)::bigint as bytes from vpc_flow where status = 'OK' "
    "group by all order by flows desc limit 5",
)


@dataclass(frozen=True, slots=True)
class _Counts:
    """Of one log: objects by fate, records by place. The truth and the finding have the same form."""

    listed: int
    loaded: int
    refused: int
    empty: int
    rows: Counter[str]  # by partition
    row_ids: int
    quarantined: Counter[str]  # by reason


def check(stack: Stack, say: Callable[[str], None]) -> None:
    """Print the counts of both logs, as they are in the ledger and the tables.

    Raises:
        DemoError: a count is not what the sample's generator knows.
    """
    settings = load_settings(stack.config, os.environ)
    truth = stack.truth()
    found = {log: _found(settings, log) for log in (DNS, FLOW)}
    _print(found[DNS], found[FLOW], say)
    wrong = [line for log in (DNS, FLOW) for line in _differences(log, found[log], _expected(truth, log))]
    if wrong:
        raise DemoError("this is not what the sample's generator knows:\n" + "\n".join(wrong))
    say("listed = loaded + quarantined whole + empty, and read = table + quarantine, to the last record:")
    say("just as the generator of the sample knows it, partition by partition and reason by reason.")


def show_queries(stack: Stack) -> None:
    """Run two queries as a user would."""
    for sql in _QUERIES:
        print(f'\n$ vpclogs query "{sql}"', flush=True)
        command = [str(Path(sys.executable).with_name("vpclogs")), "query", "--config", str(stack.config), sql]
        subprocess.run(command, cwd=REPOSITORY, check=True)


def show_next_steps(stack: Stack, *, user: str, password: str) -> None:
    folder = os.path.relpath(stack.folder)
    partition = stack.truth().partitions(DNS)[0]
    print(f"""
Airflow   {stack.airflow.url}   login {user} / {password}
S3        {stack.seaweed.endpoint}   (SeaweedFS, loopback only)
Data      {folder}: settings vpclogs.yaml, ledger.db, warehouse/, logs/

What to try next
  . {folder}/env; export PATH="$PWD/.venv/bin:$PATH"    so that vpclogs and airflow in this shell mean the demo
  vpclogs status                                  every partition, its state and counts
  vpclogs query "select reason, count(*) from quarantine group by all order by 2 desc"
  airflow dags trigger vpc_dns_hourly             again: nothing is loaded twice
  Rerun a partition: in the UI trigger vpc_dns_partition with {partition}
  Break something: put a file of your own under AWSLogs/ and trigger vpc_dns_hourly; it ends in quarantine, not lost
  make demo-down                                  stops it all; make demo starts it again where it was
""")


def _found(settings: Settings, log: str) -> _Counts:
    certificates = [status.certificate for status in Ledger(settings.ledger).partitions.status(LogType(log))]
    warehouse = Warehouse(settings.catalog, namespace=settings.namespace)
    with open_tables(warehouse.catalog, namespace=settings.namespace) as tables:
        rows = select(tables, f"select {_PARTITION}, count(*) from {log} group by 1").fetchall()
        ids = select(tables, f"select count(distinct p_row_id) from {log}").fetchall()
        reasons = select(
            tables, f"select reason, count(*) from quarantine where p_log_type = '{_TITLES[log]}' group by 1"
        ).fetchall()
    return _Counts(
        listed=sum(one.listed for one in certificates),
        loaded=sum(one.loaded for one in certificates),
        refused=sum(one.refused for one in certificates),
        empty=sum(one.empty for one in certificates),
        rows=Counter(dict(rows)),
        row_ids=ids[0][0],
        quarantined=Counter(dict(reasons)),
    )


def _expected(truth: Truth, log: str) -> _Counts:
    whole = truth.totals(log)
    return _Counts(
        listed=whole.objects,
        loaded=whole.loaded,
        refused=whole.refused_objects,
        empty=whole.empty,
        rows=Counter({key: truth.totals(log, partition=key).good for key in truth.partitions(log)}),
        row_ids=whole.good,
        quarantined=truth.reasons(log),
    )


def _print(dns: _Counts, flow: _Counts, say: Callable[[str], None]) -> None:
    def line(what: str, of: Callable[[_Counts], int]) -> None:
        say(f"{what:<24}{of(dns):>12,}{of(flow):>12,}")

    say(f"{'':<24}{'vpc_dns':>12}{'vpc_flow':>12}")
    line("objects listed", lambda c: c.listed)
    line("  loaded", lambda c: c.loaded)
    line("  quarantined whole", lambda c: c.refused)
    line("  empty", lambda c: c.empty)
    line("records read", lambda c: c.rows.total() + c.quarantined.total() - c.refused)
    line("  in the table", lambda c: c.rows.total())
    line("  in quarantine", lambda c: c.quarantined.total() - c.refused)


def _differences(log: str, found: _Counts, expected: _Counts) -> list[str]:
    lines = [
        f"{log}: {name.replace('_', ' ')}: {getattr(found, name)}, expected {getattr(expected, name)}"
        for name in ("listed", "loaded", "refused", "empty", "row_ids")
        if getattr(found, name) != getattr(expected, name)
    ]
    for name in ("rows", "quarantined"):
        has, wants = getattr(found, name), getattr(expected, name)
        lines += [
            f"{log}: {name} of {key}: {has[key]}, expected {wants[key]}"
            for key in sorted(has | wants)
            if has[key] != wants[key]
        ]
    return lines
