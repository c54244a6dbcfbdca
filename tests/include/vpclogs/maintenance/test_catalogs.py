"""All of the maintenance where the tables are in S3 behind a REST catalog, and the ledger is in PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from demo.seaweed import Seaweed
from tests.factories import expected_ids, make_object, row_ids, stage_objects
from tests.include.vpclogs.maintenance.deployments import Deployment, partition_of
from vpclogs.maintenance.reconciliation import reconcile
from vpclogs.maintenance.steps import STEPS, run_step
from vpclogs.planning.survey import Survey
from vpclogs.warehouse.tables import QUARANTINE


def test_every_step_does_its_part_and_the_rows_stay(tmp_path: Path, seaweed: Seaweed, postgres, monkeypatch):
    later = datetime.now(UTC) + timedelta(days=60)
    retention = {"vpc_dns": (later.date() - partition_of(1).day).days}
    deployment = Deployment(
        tmp_path,
        now=later,
        ledger=postgres.create("maintenance"),
        catalog=seaweed.catalog_properties(),
        keep_snapshots=10,
        keep_hours=0,
        retention_days=retention,
    )
    stage_objects(deployment.warehouse, [make_object("never published")])
    objects = [item for item in deployment.publish_hours(12, days=3) if item.partition != partition_of(0)]

    done = {step: run_step(deployment.pipeline, step).lines(dry_run=False) for step in STEPS}
    monkeypatch.setattr(deployment.pipeline, "survey", lambda *given, **named: Survey(tuple(objects), (), 8, 1))
    days = [partition_of(1).day, partition_of(2).day]
    certified = reconcile(deployment.pipeline, partition_of().log_type, run_key="daily", days=days)

    assert row_ids(deployment.warehouse) == expected_ids(objects, 1, 3)
    assert row_ids(deployment.warehouse, QUARANTINE) == expected_ids(objects, 4, 4)
    assert deployment.files() == {partition_of(1).key: 1, partition_of(2).key: 1}
    assert set(done["retire"]) >= {"1 partition of vpc_dns deleted", f"1 partition of {QUARANTINE} deleted"}
    assert not done["expire"][0].startswith("0 snapshots")
    assert not done["clean_up"][0].startswith("0 files")
    assert (certified.complete, certified.mismatched) == (2, [])
