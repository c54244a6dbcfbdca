"""`python -m benchmarks.publishing`: does publishing take longer the more commits came before?

One table takes 2,000 hourly publishes over 30 partitions. After 500 and after all of
them, publishes to it take turns with publishes to a new table, so what else the machine
does meanwhile cancels out. Prints ``RATIO publish_after_500_vs_0`` and so on: the median
of the pairs' ratios of wall time. At the end the big table is compacted.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, EqualTo
from pyiceberg.manifest import _manifest_cache

from tests.factories import freeze, make_object, stage_objects
from vpclogs.config.settings import Settings
from vpclogs.ledger import Ledger
from vpclogs.maintenance.compaction import compact
from vpclogs.partitions import LogType, Partition
from vpclogs.publishing.publisher import Publisher
from vpclogs.warehouse.tables import Warehouse

FOLDER = Path("var/bench/publishing")
ACCOUNT, REGION = "123456789012", "us-west-2"
FIRST_DAY, PARTITIONS = date(2022, 10, 7), 30
PLANS = 5  # of which the median counts
NOW = datetime(2022, 10, 8, 12, tzinfo=UTC)


class Planning(NamedTuple):
    """Files and manifests of a table; seconds to plan a query of all partitions, and of one."""

    files: int
    manifests: int
    whole: float
    one: float


class Lake:
    """A ledger and tables of their own, and how many publishes they took."""

    def __init__(self, name: str) -> None:
        folder = (FOLDER / name).absolute()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        catalog = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/lake"}
        self.ledger, self.warehouse = Ledger(f"sqlite:///{folder}/ledger.db"), Warehouse(catalog, namespace="bench")
        self._publisher = Publisher(self.ledger, self.warehouse, clock=lambda: NOW)
        self.publishes = 0

    def publish(self, *, refused: int = 1) -> float:
        """One publish of a small object, staged before; its seconds of wall time.

        With refused records it changes two tables, without them one.
        """
        day = FIRST_DAY + timedelta(days=self.publishes % PARTITIONS)
        place = Partition(LogType.VPC_DNS, ACCOUNT, REGION, day)
        objects = [make_object(f"{self.publishes}", partition=place)]
        manifest = freeze(self.ledger, objects, run_key=f"{self.publishes}")
        staged = stage_objects(self.warehouse, objects, bad=refused)
        self.publishes += 1
        start = time.perf_counter()
        self._publisher.publish(manifest, {0: staged}, [place.key])
        return time.perf_counter() - start

    def planning(self) -> Planning:
        """How long it takes to plan queries, each from the catalog on, with nothing cached."""
        table = self.warehouse.table("vpc_dns")
        snapshot = table.current_snapshot()
        manifests = len(snapshot.manifests(table.io)) if snapshot else 0
        day = And(EqualTo("p_account", ACCOUNT), EqualTo("p_region", REGION), EqualTo("p_day", FIRST_DAY.isoformat()))
        (files, whole), (_, one) = self._planned(AlwaysTrue()), self._planned(day)
        return Planning(files, manifests, whole, one)

    def _planned(self, rows: BooleanExpression) -> tuple[int, float]:
        """Files that a query of these rows reads, and the median of the seconds to find that out."""
        times = []
        for _ in range(PLANS):
            _manifest_cache.clear()
            start = time.perf_counter()
            files = len(list(self.warehouse.table("vpc_dns").scan(row_filter=rows).plan_files()))
            times.append(time.perf_counter() - start)
        return files, statistics.median(times)


def measured(big: Lake, pairs: int, name: str) -> None:
    """Print the ratio of publishes to the big table and to a new one."""
    new = Lake(name)
    new.publish()  # makes the tables
    before = big.publishes
    times = [(big.publish(), new.publish()) for _ in range(pairs)]
    after, first = (statistics.median(one) for one in zip(*times, strict=True))
    ratio = statistics.median(one / other for one, other in times)
    print(f"  after {before} publishes {after * 1000:.0f} ms, after 0 {first * 1000:.0f} ms (medians of {pairs})")
    print(f"RATIO publish_after_{before}_vs_0 {ratio:.3g}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publishing", description=__doc__)
    parser.add_argument("--after", type=int, nargs="+", default=[500, 2000], help="publishes to measure after")
    parser.add_argument("--pairs", type=int, default=20, help="publishes to measure (default 20)")
    arguments = parser.parse_args()
    start = time.monotonic()
    big = Lake("big")
    for wanted in sorted(arguments.after):
        while big.publishes < wanted:
            big.publish(refused=big.publishes % 4 == 0)  # clean hours are the rule, and take half the time
        measured(big, arguments.pairs, f"new-{wanted}")
        print(f"  {time.monotonic() - start:.0f} s so far", flush=True)
    before = big.planning()
    settings = Settings.model_validate({"sources": [{"name": "bench", "log_type": "vpc_dns", "bucket": "bench"}]})
    today = FIRST_DAY + timedelta(days=365)
    began = time.monotonic()
    compact(big.warehouse, "vpc_dns", settings=settings, today=today)
    seconds, after = time.monotonic() - began, big.planning()
    print(f"  compaction of {before.files} files to {after.files} in {seconds:.0f} s")
    for label, plan in (("before", before), ("after", after)):
        print(
            f"  planning {label}: {plan.files} files in {plan.manifests} manifests, "
            f"all partitions {plan.whole * 1000:.0f} ms, one {plan.one * 1000:.0f} ms (medians of {PLANS})"
        )
    print(f"RATIO planning_all_after_compaction_vs_before {after.whole / before.whole:.3g}")
    print(f"RATIO planning_one_after_compaction_vs_before {after.one / before.one:.3g}")
    print(f"  {time.monotonic() - start:.0f} s in all")


if __name__ == "__main__":
    main()
