"""Compare the loaded counts with the truth of the sample, and print them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from demo.counts import Counts
from demo.options import REPOSITORY, DemoError
from demo.sample import DNS, FLOW
from demo.stack import Stack
from vpclogs.config.settings import load_settings
from vpclogs.ledger import Ledger

__all__ = ["check", "check_alerts", "show_alerts", "show_next_steps", "show_queries"]

_QUERIES = (
    "select p_region as region, query_name, count(*) as queries from vpc_dns where rcode = 'NXDOMAIN' "
    "group by all order by queries desc limit 5",
    "select dstPort, count(*) as refused, count(distinct srcAddr) as sources from vpc_flow where action = 'REJECT' "
    "group by all order by refused desc limit 5",
)


def check(stack: Stack, say: Callable[[str], None]) -> None:
    """Print the counts of both logs, as they are in the ledger and the tables.

    Raises:
        DemoError: a count differs from the truth of the sample.
    """
    settings = load_settings(stack.config, os.environ)
    truth = stack.truth()
    found = {log: Counts.found(settings, log, truth) for log in (DNS, FLOW)}
    _print(found[DNS], found[FLOW], say)
    wrong = [f"{log}: {line}" for log in (DNS, FLOW) for line in found[log].differences(Counts.expected(truth, log))]
    if wrong:
        raise DemoError("this is not what the sample's generator knows:\n" + "\n".join(wrong))
    say("listed = loaded + quarantined whole + empty, and read = table + quarantine, to the last record:")
    say("just as the generator of the sample knows it, partition by partition and reason by reason.")


def show_queries(stack: Stack) -> None:
    """Run two queries as a user would."""
    for sql in _QUERIES:
        print(f'\n$ vpclogs query "{sql}"', flush=True)
        _vpclogs(stack, "query", sql)


def show_alerts(stack: Stack) -> None:
    """Print the findings of the monitors, as a user sees them."""
    print("\n$ vpclogs alerts", flush=True)
    _vpclogs(stack, "alerts")


def check_alerts(stack: Stack, say: Callable[[str], None]) -> None:
    """Compare the open alerts with the faults that the samples have; not when their history ended hours ago.

    Raises:
        DemoError: a fault was not found, or something that is none.
    """
    expected = stack.findings(datetime.now(UTC))
    if expected is None:
        say(f"Nothing was delivered since {stack.offices.hour:%Y-%m-%d %H:%M} UTC: the alerts above say so.")
        return
    found = {alert.key for alert in Ledger(load_settings(stack.config, os.environ).ledger).alerts.all()}
    wrong = [f"not found: {key} ({expected[key]})" for key in sorted(expected.keys() - found)]
    wrong += [f"found, and no fault: {key}" for key in sorted(found - expected.keys())]
    if wrong:
        raise DemoError("the monitors did not find what is in the samples:\n" + "\n".join(wrong))
    say("These are the faults that were put into the samples, and no others:")
    for key, fault in expected.items():
        say(f"  {key.partition('/')[0]}: {fault}")


def _vpclogs(stack: Stack, command: str, *arguments: str) -> None:
    program = str(Path(sys.executable).with_name("vpclogs"))
    subprocess.run([program, command, "--config", str(stack.config), *arguments], cwd=REPOSITORY, check=True)


def show_next_steps(stack: Stack, *, user: str, password: str) -> None:
    folder = os.path.relpath(stack.folder)
    partition = stack.truth().partitions(DNS)[0]
    print(f"""
Airflow   {stack.airflow.url}   login {user} / {password}
Page      {stack.airflow.url}/plugin/vpclogs   every account, region and day: docs/page.md
S3        {stack.seaweed.endpoint}   (SeaweedFS, loopback only)
Data      {folder}: settings vpclogs.yaml, ledger.db, warehouse/, logs/

What to try next
  . {folder}/env; export PATH="$PWD/.venv/bin:$PATH"   # vpclogs and airflow in this shell now mean the demo
  vpclogs status                                  # every partition, its state and counts
  vpclogs alerts                                  # what the monitors found; docs/quality.md says what to do
  vpclogs query "select reason, count(*) from quarantine group by all order by 2 desc"
  vpclogs rerun --log-type vpc_dns '{partition}'
                                                  # rebuilds one partition from S3; the counts stay the same
  make demo-put FILE=my.log.gz                    # a log of your own into the bucket; make demo then loads it
  make demo-down                                  # stops it all; make demo starts it again where it was
""")


def _print(dns: Counts, flow: Counts, say: Callable[[str], None]) -> None:
    def line(what: str, of: Callable[[Counts], int]) -> None:
        say(f"{what:<24}{of(dns):>12,}{of(flow):>12,}")

    say(f"{'':<24}{'vpc_dns':>12}{'vpc_flow':>12}")
    line("objects listed", lambda c: c.listed)
    line("  loaded", lambda c: c.loaded)
    line("  quarantined whole", lambda c: c.refused)
    line("  empty", lambda c: c.empty)
    line("records read", lambda c: c.rows.total() + c.quarantined_records)
    line("  in the table", lambda c: c.rows.total())
    line("  in quarantine", lambda c: c.quarantined_records)
