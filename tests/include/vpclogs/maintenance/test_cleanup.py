"""Files that nobody needs go, and no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.factories import expected_ids, freeze, make_object, row_ids, stage_objects
from tests.include.vpclogs.maintenance.deployments import Deployment, partition_of
from vpclogs.errors import VpcLogsError
from vpclogs.ledger.manifests import Manifest
from vpclogs.maintenance.cleanup import clean_up
from vpclogs.maintenance.compaction import compact
from vpclogs.warehouse.expiry import expire
from vpclogs.warehouse.tables import QUARANTINE


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, now=datetime.now(UTC))


def later(deployment: Deployment, **span: int) -> None:
    deployment.now = datetime.now(UTC) + timedelta(**span)


def data_files(tmp_path: Path) -> set[Path]:
    return set(tmp_path.rglob("*.parquet"))


def stage(deployment: Deployment, *names: str) -> tuple[Manifest, dict]:
    objects = [make_object(name) for name in names]
    manifest, staged = freeze(deployment.ledger, objects), stage_objects(deployment.warehouse, objects)
    deployment.ledger.manifests.keep_staged(manifest.id, 0, staged, now=deployment.now)
    return manifest, {0: staged}


def test_published_files_stay_and_replaced_staged_files_go(deployment, tmp_path):
    superseded = stage_objects(deployment.warehouse, [make_object("a")]).files
    deployment.publish([make_object("a")])
    later(deployment, hours=25)

    done = clean_up(deployment.pipeline)

    assert done.files == len(superseded) == 2
    assert not any(Path(file.path.removeprefix("file://")).exists() for file in superseded)
    assert row_ids(deployment.warehouse) == expected_ids([make_object("a")], 1, 3)


def test_young_files_stay_whoever_made_them(deployment, tmp_path):
    deployment.publish([make_object("a")])
    stage_objects(deployment.warehouse, [make_object("b")])
    before = data_files(tmp_path)
    later(deployment, hours=23)

    assert clean_up(deployment.pipeline).files == 0
    assert data_files(tmp_path) == before


def test_staged_files_can_be_published_for_a_week(deployment, tmp_path):
    deployment.publish([make_object("a")])
    manifest, staged = stage(deployment, "b")
    late, late_staged = stage(deployment, "c")

    later(deployment, days=6)
    clean_up(deployment.pipeline)
    deployment.pipeline.publisher.publish(manifest, staged, [partition_of().key])
    later(deployment, days=8)
    done = clean_up(deployment.pipeline)

    assert done.runs == 3
    assert row_ids(deployment.warehouse) == expected_ids([make_object("a"), make_object("b")], 1, 3)
    with pytest.raises(VpcLogsError, match="Clear all of the run's tasks"):
        deployment.pipeline.publisher.publish(late, late_staged, [partition_of().key])
    assert not any(Path(file.path.removeprefix("file://")).exists() for file in late_staged[0].files)


def test_files_of_an_open_publish_stay_at_any_age(deployment, monkeypatch):
    deployment.publish([make_object("a")])
    deployment.publish_and_crash([make_object("b")], monkeypatch, after="the first table")
    later(deployment, days=60)

    clean_up(deployment.pipeline)
    deployment.pipeline.publisher.complete_open(partition_of().log_type)

    assert row_ids(deployment.warehouse) == expected_ids([make_object("a"), make_object("b")], 1, 3)


def test_after_compaction_and_expiry_the_old_files_go(deployment, tmp_path):
    objects = deployment.publish_hours(4)
    later(deployment, days=60)
    for table in ("vpc_dns", QUARANTINE):
        compact(deployment.warehouse, table, settings=deployment.pipeline.settings, today=deployment.today())
        expire(deployment.warehouse.table(table), deployment.ledger, keep=1)

    # the publish before the compaction is still in the history, and so are its four files
    assert clean_up(deployment.pipeline).files > 0
    deployment.publish([make_object("next", partition=partition_of(1))], run_key="next")
    for table in ("vpc_dns", QUARANTINE):
        expire(deployment.warehouse.table(table), deployment.ledger, keep=1)
    clean_up(deployment.pipeline)

    assert len(data_files(tmp_path)) == 4  # one of each of the two partitions in each of the two tables
    assert row_ids(deployment.warehouse) == expected_ids([*objects, make_object("next")], 1, 3)


def test_a_dry_run_counts_and_deletes_nothing(deployment, tmp_path):
    deployment.publish([make_object("a")])
    stage_objects(deployment.warehouse, [make_object("b")])
    before = data_files(tmp_path)
    later(deployment, hours=25)

    assert clean_up(deployment.pipeline, dry_run=True).files == 2
    assert data_files(tmp_path) == before


def test_files_that_are_not_ours_stay(deployment, tmp_path):
    deployment.publish([make_object("a")])
    note = next(tmp_path.rglob("vpc_dns/data")) / "notes.txt"
    note.write_text("mine")
    later(deployment, hours=25)

    clean_up(deployment.pipeline)

    assert note.exists()


def test_a_listing_without_the_tables_own_metadata_is_not_trusted(deployment, monkeypatch):
    deployment.publish([make_object("a")])
    monkeypatch.setattr("vpclogs.maintenance.cleanup._listed", lambda files, folder: iter(()))

    with pytest.raises(VpcLogsError, match="cannot be trusted"):
        clean_up(deployment.pipeline)
