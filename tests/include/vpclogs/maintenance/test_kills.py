"""Each step killed by SIGKILL in its midst, then run again; and all of them beside publishers that race."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import expected_ids, make_object, row_ids, stage_objects
from tests.forking import Forker
from tests.include.vpclogs.maintenance.deployments import Deployment, partition_of
from tests.include.vpclogs.test_publishing_races import assert_each_row_once, runs_of
from vpclogs.maintenance.steps import STEPS, run_step
from vpclogs.warehouse.tables import QUARANTINE, Warehouse

pytestmark = pytest.mark.server

JOBS = "tests.include.vpclogs.maintenance.maintenance_jobs"
LATER = datetime.now(UTC) + timedelta(days=60)
KEPT = (LATER.date() - partition_of(1).day).days

POINTS = [
    ("retire", "vpclogs.maintenance.retention:_drop", "before"),
    ("retire", "vpclogs.maintenance.retention:_drop", "after"),
    ("compact", "vpclogs.maintenance.compaction:_commit", "before"),
    ("compact", "vpclogs.maintenance.compaction:_swap", "after"),
    ("expire", "vpclogs.warehouse.expiry:expire", "after"),
    ("prune", "vpclogs.ledger.statistics:_add_to", "after"),
    ("prune", "vpclogs.ledger.pruning:PruningStore.published_runs", "before"),
    ("clean_up", "vpclogs.maintenance.cleanup:_delete", "after"),
]


@pytest.mark.parametrize(("step", "function", "when"), POINTS)
def test_killed_step_is_completed_by_the_next_one(step, function, when, tmp_path, forker):
    maintenance = {"retention_days": {"vpc_dns": KEPT}, "keep_hours": 0, "keep_snapshots": 10, "max_snapshots": 20}
    deployment = Deployment(tmp_path, now=LATER, **maintenance)
    stage_objects(deployment.warehouse, [make_object("never published")])
    objects = deployment.publish_hours(12, days=2)
    job = {"step": step, "function": function, "when": when, "folder": str(tmp_path), "now": LATER.isoformat()}

    child = forker.start(f"{JOBS}:die_in", job | {"maintenance": maintenance})
    assert child.wait() == -9, child.errors
    for name in STEPS:
        run_step(deployment.pipeline, name)
    deployment.publish([make_object("next", partition=partition_of(1))], run_key="next")

    kept = [item for item in objects if item.partition == partition_of(1)]
    kept.append(make_object("next", partition=partition_of(1)))
    assert row_ids(deployment.warehouse) == expected_ids(kept, 1, 3)
    assert row_ids(deployment.warehouse, QUARANTINE) == expected_ids(kept, 4, 4)
    assert deployment.files() == {partition_of(1).key: 2}


@pytest.mark.parametrize(
    ("processes", "runs"),
    [
        pytest.param(2, 6, id="12 runs"),
        pytest.param(4, 26, id="104 runs", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
def test_publishers_racing_maintenance_lose_and_repeat_nothing(
    processes: int, runs: int, tmp_path: Path, forker: Forker
) -> None:
    catalog = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/lake"}
    place: dict[str, Any] = {"ledger": f"sqlite:///{tmp_path}/ledger.db", "catalog": catalog, "namespace": "races"}
    jobs = [place | {"runs": runs_of(process, runs)} for process in range(processes)]

    publishers = [forker.start("tests.integration.crash_jobs:publish_runs", job) for job in jobs]
    keeper = forker.start(f"{JOBS}:keep_up", place | {"stop": str(tmp_path / "stop")})
    complaints = [child.errors for child in publishers if child.wait(3000)]
    (tmp_path / "stop").touch()

    assert complaints == []
    assert keeper.wait(600) == 0, keeper.errors
    warehouse = Warehouse(catalog, namespace="races")
    assert_each_row_once(warehouse, processes, runs)
    assert len(list(warehouse.table("vpc_dns").scan().plan_files())) <= 1 + processes
