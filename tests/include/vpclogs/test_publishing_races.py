"""Many processes publish at once, to the same and to different partitions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.factories import expected_ids, make_object, make_warehouse, row_ids

from vpclogs.ledger import Ledger
from vpclogs.partitions import Partition
from vpclogs.warehouse import QUARANTINE, Warehouse

WORKER = """
import json, sys
from pathlib import Path
from tests.factories import NOW, freeze, make_object, stage_objects
from vpclogs.ledger import Ledger
from vpclogs.manifests import Mode
from vpclogs.partitions import Partition
from vpclogs.publishing import Publisher
from vpclogs.warehouse import Warehouse

job = json.loads(sys.argv[1])
ledger, warehouse = Ledger(job["ledger"]), Warehouse(job["catalog"], namespace="vpclogs")
publisher = Publisher(ledger, warehouse, clock=lambda: NOW)
for run in job["runs"]:
    objects = [make_object(name, partition=Partition.parse(key, "vpc_dns")) for name, key in run["objects"]]
    mode = Mode(run["mode"])
    manifest = freeze(ledger, objects, run_key=run["key"], mode=mode)
    publisher.publish(manifest, {0: stage_objects(warehouse, objects)}, sorted({o.partition.key for o in objects}))
"""


def runs_of(process: int, count: int) -> list[dict[str, object]]:
    """Half of the runs touch partitions and objects that all processes share, every fifth reloads one."""
    runs: list[dict[str, object]] = []
    for number in range(count):
        shared = number % 2 == 0
        region = "us-west-2" if shared else f"us-east-{process + 1}"
        key = f"123456789012|{region}|2022-10-07"
        names = [f"{region}-{number}-{index}" for index in range(3)]
        mode = "reload" if shared and number % 5 == 4 else "add"
        runs.append({"key": f"{process}/{number}", "mode": mode, "objects": [(name, key) for name in names]})
    return runs


def race(processes: int, runs: int, *, ledger: str, catalog: dict[str, str]) -> list[str]:
    """Run the processes to their end; give their complaints."""
    Ledger(ledger)
    jobs = [{"ledger": ledger, "catalog": catalog, "runs": runs_of(process, runs)} for process in range(processes)]
    started = [
        subprocess.Popen([sys.executable, "-c", WORKER, json.dumps(job)], stderr=subprocess.PIPE, text=True)
        for job in jobs
    ]
    return [error for process in started if (error := process.communicate()[1]) and process.returncode]


def assert_each_row_once(warehouse: Warehouse, processes: int, runs: int) -> None:
    names = {(name, key) for p in range(processes) for run in runs_of(p, runs) for name, key in run["objects"]}
    objects = [make_object(name, partition=Partition.parse(key, "vpc_dns")) for name, key in names]
    for table, first, last in (("vpc_dns", 1, 3), (QUARANTINE, 4, 4)):
        found, wanted = Counter(row_ids(warehouse, table)), Counter(expected_ids(objects, first, last))
        assert found - wanted == Counter(), f"{table}: rows that should not be there, or twice"
        assert wanted - found == Counter(), f"{table}: rows lost"


@pytest.mark.parametrize(
    ("processes", "runs"),
    [
        pytest.param(3, 4, id="a few"),
        pytest.param(8, 13, id="8 processes, 104 runs", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
def test_publishers_racing_lose_nothing_and_repeat_nothing(processes: int, runs: int, tmp_path: Path) -> None:
    catalog = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/warehouse"}

    complaints = race(processes, runs, ledger=f"sqlite:///{tmp_path}/ledger.db", catalog=catalog)

    assert complaints == []
    assert_each_row_once(make_warehouse(tmp_path), processes, runs)
