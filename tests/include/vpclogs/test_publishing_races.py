"""Many processes publish at once, to the same and to different partitions, on each kind of catalog."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from demo.seaweed import Seaweed
from tests.factories import expected_ids, make_object, row_ids
from tests.forking import Forker
from vpclogs.partitions import Partition
from vpclogs.warehouse.tables import QUARANTINE, Warehouse

pytestmark = pytest.mark.server

_numbers = itertools.count()

Place = tuple[str, dict[str, str]]
"""The ledger's URL and the catalog's properties."""


@pytest.fixture
def sqlite(tmp_path: Path) -> Place:
    """Nothing is there yet: the processes make ledger, catalog and tables at once."""
    catalog = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/lake"}
    return f"sqlite:///{tmp_path}/ledger.db", catalog


@pytest.fixture
def postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Ledger and catalog in one database, the files in a folder."""
    url = request.getfixturevalue("postgres").create(f"races{next(_numbers)}")
    return url, {"type": "sql", "uri": url, "warehouse": f"file://{tmp_path}/lake"}


@pytest.fixture
def rest(seaweed: Seaweed, tmp_path: Path) -> Place:
    """SeaweedFS's own REST catalog; the files are in S3."""
    return f"sqlite:///{tmp_path}/ledger.db", seaweed.catalog_properties()


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def runs_of(process: int, count: int) -> list[dict[str, Any]]:
    """Half of the runs touch partitions and objects that all processes share, every fifth reloads one."""
    runs: list[dict[str, Any]] = []
    for number in range(count):
        shared = number % 2 == 0
        region = "us-west-2" if shared else f"us-east-{process + 1}"
        key = f"123456789012|{region}|2022-10-07"
        names = [f"{region}-{number}-{index}" for index in range(3)]
        mode = "reload" if shared and number % 5 == 4 else "add"
        runs.append({"key": f"{process}/{number}", "mode": mode, "objects": [(name, key) for name in names]})
    return runs


def race(forker: Forker, processes: int, runs: int, place: Place, namespace: str) -> list[str]:
    """Run the processes to their end; give their complaints."""
    ledger, catalog = place
    jobs = [
        {"ledger": ledger, "catalog": catalog, "namespace": namespace, "runs": runs_of(process, runs)}
        for process in range(processes)
    ]
    started = [forker.start("tests.integration.crash_jobs:publish_runs", job) for job in jobs]
    return [process.errors for process in started if process.wait(3000)]


def assert_each_row_once(warehouse: Warehouse, processes: int, runs: int) -> None:
    names = {(name, key) for p in range(processes) for run in runs_of(p, runs) for name, key in run["objects"]}
    objects = [make_object(name, partition=Partition.parse(key, "vpc_dns")) for name, key in names]
    for table, first, last in (("vpc_dns", 1, 3), (QUARANTINE, 4, 4)):
        found, wanted = Counter(row_ids(warehouse, table)), Counter(expected_ids(objects, first, last))
        assert found - wanted == Counter(), f"{table}: rows that should not be there, or twice"
        assert wanted - found == Counter(), f"{table}: rows lost"


@pytest.mark.parametrize("place", ["sqlite", "postgresql", "rest"], indirect=True)
@pytest.mark.parametrize(
    ("processes", "runs"),
    [
        pytest.param(3, 3, id="9 runs"),
        pytest.param(8, 13, id="8 processes, 104 runs", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
def test_publishers_racing_lose_nothing_and_repeat_nothing(
    place: Place, processes: int, runs: int, forker: Forker
) -> None:
    namespace, started = f"races{next(_numbers)}", time.monotonic()

    complaints = race(forker, processes, runs, place, namespace)

    print(f"{processes} processes, {processes * runs} runs in {time.monotonic() - started:.0f} s")
    assert complaints == []
    assert_each_row_once(Warehouse(place[1], namespace=namespace), processes, runs)
