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

from pyiceberg.manifest import _manifest_cache

from tests.factories import freeze, make_object, stage_objects
from vpclogs.ledger import Ledger
from vpclogs.partitions import LogType, Partition
from vpclogs.publishing import Publisher
from vpclogs.settings import Settings
from vpclogs.upkeep.compaction import compact
from vpclogs.warehouse import Warehouse

FOLDER = Path("var/bench/publishing")
FIRST_DAY, PARTITIONS = date(2022, 10, 7), 30
NOW = datetime(2022, 10, 8, 12, tzinfo=UTC)


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
        place = Partition(LogType.VPC_DNS, "123456789012", "us-west-2", day)
        objects = [make_object(f"{self.publishes}", partition=place)]
        manifest = freeze(self.ledger, objects, run_key=f"{self.publishes}")
        staged = stage_objects(self.warehouse, objects, bad=refused)
        self.publishes += 1
        start = time.perf_counter()
        self._publisher.publish(manifest, {0: staged}, [place.key])
        return time.perf_counter() - start

    def planning(self) -> tuple[int, int, float]:
        """Files and manifests of the table, and the seconds that it takes to plan a query of all of it."""
        table = self.warehouse.table("vpc_dns")
        snapshot = table.current_snapshot()
        manifests = len(snapshot.manifests(table.io)) if snapshot else 0
        _manifest_cache.clear()
        start = time.perf_counter()
        files = len(list(self.warehouse.table("vpc_dns").scan().plan_files()))
        return files, manifests, time.perf_counter() - start


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
    print(f"  compaction of {before[0]} files to {after[0]} in {seconds:.0f} s")
    for label, (files, manifests, planning) in (("before", before), ("after", after)):
        print(f"  planning {label}: {files} files in {manifests} manifests, {planning * 1000:.0f} ms")
    print(f"RATIO planning_after_compaction_vs_before {after[2] / before[2]:.3g}")
    print(f"  {time.monotonic() - start:.0f} s in all")


if __name__ == "__main__":
    main()
