"""`make bench`: paired runs on the same files, one process each, in the order A B A B.

Prints ``RATIO <name> <value>`` lines and writes benchmarks/RESULTS.md. Ratios are the
medians of the pairs' ratios, so what else the machine does meanwhile cancels out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.data import Data

HERE = Path(__file__).parent
GOALS = {
    "dns_cpu_vs_duckdb_bare": 0.9,
    "flow_v2_cpu_vs_duckdb_bare": 0.7,
    "flow_v5_cpu_vs_pyarrow_bare": 1.0,
    "dns_dirty_vs_clean": 1.15,
    "flow_dirty_vs_clean": 1.15,
    "small_objects_vs_one": 1.3,
    "rss_mb_dns_big": 512,
    "rss_mb_flow_big": 512,
    "rss_mb_dns_huge": 512,
    "rss_mb_flow_huge": 512,
}
Run = Callable[[], "Measured"]
PEERS = ("duckdb", "pyarrow", "polars", "pandas", "chdb", "dlt")
APART = {"polars", "chdb", "dlt"}  # these have an environment of their own, see requirements-bench.in


@dataclass(frozen=True)
class Measured:
    """One run: seconds of CPU (user and system, all threads), of wall time, peak megabytes, rows written."""

    cpu: float
    wall: float
    rss_mb: float
    rows: int


def run(job: str, kind: str, *files: Path) -> Measured:
    """Run one job in a process of its own."""
    paths = [files[0].parent] if len(files) > 1 else [*files]
    python = HERE.parent / "var/bench/venv/bin/python" if job in APART else sys.executable
    command = [str(python), "-m", "benchmarks.jobs", job, kind, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parent)
    if done.returncode:
        raise RuntimeError(f"{job} {kind}: {done.stderr.strip().splitlines()[-1:]}")
    return Measured(**json.loads(done.stdout.strip().splitlines()[-1]))


def paired(
    first: Callable[[], Measured], second: Callable[[], Measured], pairs: int
) -> tuple[float, Measured, Measured]:
    """The median of first/second in CPU, and the medians of each."""
    runs = [(first(), second()) for _ in range(pairs)]
    ratio = statistics.median(a.cpu / b.cpu for a, b in runs)
    return ratio, _median([a for a, _ in runs]), _median([b for _, b in runs])


def _median(runs: list[Measured]) -> Measured:
    return sorted(runs, key=lambda one: one.cpu)[len(runs) // 2]


def whole(kind: str, *files: Path) -> Run:
    """The whole job of vpclogs, to be run."""
    return partial(run, "whole", kind, *files)


class Report:
    """Collects ratios and tables."""

    def __init__(self) -> None:
        self.ratios: dict[str, float] = {}
        self.rows: list[tuple[str, str, Measured]] = []

    def ratio(self, name: str, value: float) -> None:
        self.ratios[name] = value
        print(f"RATIO {name} {value:.3g}", flush=True)

    def measured(self, what: str, job: str, measured: Measured) -> None:
        self.rows.append((what, job, measured))
        print(
            f"  {what:24} {job:10} cpu {measured.cpu:7.2f} s  wall {measured.wall:7.2f} s  "
            f"peak {measured.rss_mb:6.0f} MB  rows {measured.rows:,}",
            flush=True,
        )


def against(report: Report, data: Data, kind: str, peer: str, pairs: int, name: str) -> None:
    """The whole job beside one bare peer; both must write the same number of rows."""
    file = data.log(kind)
    ratio, ours, theirs = paired(whole(kind, file), partial(run, peer, kind, file), pairs)
    if ours.rows != theirs.rows or ours.rows != data.records:
        raise RuntimeError(f"{kind}: vpclogs wrote {ours.rows} rows, {peer} {theirs.rows}, of {data.records}")
    report.measured(f"{kind}, whole job", "vpclogs", ours)
    report.measured(f"{kind}, bare", peer, theirs)
    report.ratio(name, ratio)


def compare(report: Report, data: Data, pairs: int, peers: bool) -> None:
    """All ratios, in the order of the issue: peers, dirt, object sizes, memory, floor."""
    against(report, data, "dns", "duckdb", pairs, "dns_cpu_vs_duckdb_bare")
    against(report, data, "flow2", "duckdb", pairs, "flow_v2_cpu_vs_duckdb_bare")
    against(report, data, "flow5", "pyarrow", pairs, "flow_v5_cpu_vs_pyarrow_bare")
    for kind, name in (("dns", "dns"), ("flow5", "flow")):
        clean, dirty = data.log(kind), data.log(kind, dirty=True)
        ratio, bad, good = paired(whole(kind, dirty), whole(kind, clean), pairs)
        report.measured(f"{kind}, 0.1 % bad", "vpclogs", bad)
        report.measured(f"{kind}, clean", "vpclogs", good)
        report.ratio(f"{name}_dirty_vs_clean", ratio)
    small, one = data.small("dns", 2000), data.log("dns")
    ratio, many, _ = paired(whole("dns", *small), whole("dns", one), pairs)
    report.measured("dns, 2,000 objects", "vpclogs", many)
    report.ratio("small_objects_vs_one", ratio)
    for kind, name in (("dns", "dns"), ("flow5", "flow")):
        for size, label in ((75, "big"), (750, "huge")):
            measured = run("whole", kind, data.large(kind, size))
            report.measured(f"{kind}, one {size} MB object", "vpclogs", measured)
            report.ratio(f"rss_mb_{name}_{label}", measured.rss_mb)
    for kind, name in (("dns", "dns"), ("flow5", "flow")):
        file = data.log(kind)
        ratio, _, floor = paired(whole(kind, file), partial(run, "gunzip", kind, file), pairs)
        report.measured(f"{kind}, gunzip alone", "isal", floor)
        report.ratio(f"stage_vs_gunzip_{name}", ratio)
    report.measured("flow11, whole job", "vpclogs", run("whole", "flow11", data.log("flow11")))
    for kind in ("dns", "flow2", "flow5") if peers else ():
        for peer in PEERS:
            try:
                report.measured(f"{kind}, bare", peer, run(peer, kind, data.log(kind)))
            except RuntimeError as error:
                print(f"  {kind:24} {peer:10} not measured: {error}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="records per file (default 1,000,000)")
    parser.add_argument("--pairs", type=int, default=7, help="A B pairs per ratio (default 7)")
    parser.add_argument("--no-peers", action="store_true", help="leave the wider comparison out")
    arguments = parser.parse_args()
    report = Report()
    compare(report, Data(Path("var/bench"), arguments.records), arguments.pairs, not arguments.no_peers)
    (HERE / "RESULTS.md").write_text(_markdown(report, arguments.records, arguments.pairs))
    print(f"written: {HERE / 'RESULTS.md'}")


def _markdown(report: Report, records: int, pairs: int) -> str:
    lines = [
        "# Benchmark results",
        "",
        f"`make bench` on {datetime.now(UTC):%Y-%m-%d}: {_machine()}. {records:,} records a file, "
        f"{pairs} pairs a ratio, one process a run, CPU = user + system seconds of all threads.",
        "",
        "*Whole job* is gunzip, parse, validate every record, quarantine with line and reason, indicators, lineage, "
        "row ids, audit statistics, zstd Parquet. *Bare* is read and write, nothing else.",
        "",
        "| ratio | goal | reached |",
        "|---|---|---|",
    ]
    for name, value in report.ratios.items():
        goal = GOALS.get(name)
        wanted = "" if goal is None else f"≤ {goal:g}"
        met = "" if goal is None else (" ✓" if value <= goal else " ✗")
        lines.append(f"| `{name}` | {wanted} | {value:.3g}{met} |")
    lines += ["", "| what | tool | CPU s | wall s | peak MB | rows |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {what} | {job} | {m.cpu:.2f} | {m.wall:.2f} | {m.rss_mb:.0f} | {m.rows:,} |" for what, job, m in report.rows
    ]
    return "\n".join([*lines, ""])


def _machine() -> str:
    tools = []
    for name in ("pyarrow", "duckdb", "polars", "pandas", "chdb", "dlt"):
        try:
            tools.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}, {', '.join(tools)}"
    )


if __name__ == "__main__":
    main()
