"""What is kept no longer goes from the tables and the ledger, and does not come back."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import DAY, expected_ids, make_object, row_ids
from tests.include.vpclogs.maintenance.deployments import Deployment, partition_of
from vpclogs.errors import VpcLogsError
from vpclogs.maintenance.retention import prune, retire
from vpclogs.manifests import Mode
from vpclogs.objects import LogObject
from vpclogs.profile.partition_statistics import PartitionStatistics
from vpclogs.staged import BatchResult
from vpclogs.warehouse.tables import QUARANTINE

OLD, NEW = make_object("old"), make_object("new", partition=partition_of(10))


def deploy(folder: Path, *, days_later: int, **maintenance: Any) -> Deployment:
    now = datetime.combine(DAY + timedelta(days=days_later), time(12), UTC)
    deployment = Deployment(folder, now=now, **maintenance)
    deployment.publish([OLD], run_key="old")
    deployment.publish([NEW], run_key="new")
    return deployment


def test_partitions_beyond_retention_go_with_their_quarantine(tmp_path):
    deployment = deploy(tmp_path, days_later=40, retention_days={"vpc_dns": 35})

    done = retire(deployment.pipeline)

    assert done.partitions == {"vpc_dns": 1, QUARANTINE: 1}
    assert row_ids(deployment.warehouse) == expected_ids([NEW], 1, 3)
    assert row_ids(deployment.warehouse, QUARANTINE) == expected_ids([NEW], 4, 4)
    assert [status.partition for status in deployment.ledger.partitions.status(OLD.log_type)] == [NEW.partition]


def test_the_quarantine_may_go_earlier_than_its_log(tmp_path):
    deployment = deploy(tmp_path, days_later=40, retention_days={"quarantine": 35})

    assert retire(deployment.pipeline).partitions == {QUARANTINE: 1}
    assert row_ids(deployment.warehouse) == expected_ids([OLD, NEW], 1, 3)
    assert row_ids(deployment.warehouse, QUARANTINE) == expected_ids([NEW], 4, 4)


def test_without_a_retention_nothing_goes(tmp_path):
    assert retire(deploy(tmp_path, days_later=4000).pipeline).partitions == {}


def test_a_dry_run_only_counts(tmp_path):
    deployment = deploy(tmp_path, days_later=40, retention_days={"vpc_dns": 35})

    assert retire(deployment.pipeline, dry_run=True).partitions == {"vpc_dns": 1, QUARANTINE: 1}
    assert row_ids(deployment.warehouse) == expected_ids([OLD, NEW], 1, 3)


def test_the_ledger_forgets_the_objects_once_their_run_is_forgotten(tmp_path):
    deployment = deploy(tmp_path, days_later=40, retention_days={"vpc_dns": 35}, keep_snapshots=10)
    deployment.now += timedelta(days=60)  # only the newest publish is remembered by the tables from here on
    for table in ("vpc_dns", QUARANTINE):
        snapshots = deployment.warehouse.table(table).metadata.snapshots
        deployment.warehouse.table(table).maintenance.expire_snapshots().by_id(snapshots[0].snapshot_id).commit()

    runs = prune(deployment.pipeline).runs
    done = retire(deployment.pipeline)

    assert (runs, done.objects) == (1, 1)
    assert deployment.ledger.objects.new([OLD]) == [OLD]


def test_a_day_that_is_kept_no_longer_is_not_planned(tmp_path):
    deployment = deploy(tmp_path, days_later=40, retention_days={"vpc_dns": 35})

    with pytest.raises(VpcLogsError, match="its day is older than"):
        deployment.pipeline.plan_partition("vpc_dns", OLD.partition.key, run_key="reload")
    assert deployment.pipeline.settings.kept_days(OLD.log_type, [OLD.day, NEW.day], deployment.today()) == [NEW.day]


def test_what_planning_subtracts_is_never_forgotten(tmp_path):
    deployment = deploy(tmp_path, days_later=400)

    prune(deployment.pipeline)
    retire(deployment.pipeline)

    assert deployment.ledger.objects.new([OLD, NEW]) == []
    deployment.publish([NEW], run_key="again")
    assert row_ids(deployment.warehouse) == expected_ids([OLD, NEW], 1, 3)


def test_the_newest_publish_stays_known_however_old_it_is(tmp_path):
    deployment = deploy(tmp_path, days_later=40)
    deployment.now += timedelta(days=4000)

    prune(deployment.pipeline)
    deployment.publish([make_object("next")], run_key="next")

    assert row_ids(deployment.warehouse) == expected_ids([OLD, NEW, make_object("next")], 1, 3)


def publish_with_statistics(deployment: Deployment, item: LogObject, rows: int, mode: Mode = Mode.ADD) -> None:
    from tests.factories import freeze, stage_objects

    manifest = freeze(deployment.ledger, [item], run_key=f"{item.key} {rows}", mode=mode)
    staged = stage_objects(deployment.warehouse, [item], rows=rows)
    seen = {item.partition.key: PartitionStatistics(rows=rows).to_json()}
    staged = BatchResult(staged.files, staged.outcomes, seen)
    deployment.ledger.manifests.keep_staged(manifest.id, 0, staged, now=deployment.now)
    deployment.pipeline.publisher.publish(manifest, {0: staged}, [item.partition.key])


def test_statistics_add_up_once_and_a_reload_begins_anew(tmp_path):
    deployment = Deployment(tmp_path)
    statistics = deployment.ledger.statistics
    publish_with_statistics(deployment, make_object("a"), 3)
    publish_with_statistics(deployment, make_object("b"), 4)

    added = [statistics.add_up(now=deployment.now), statistics.add_up(now=deployment.now)]
    summed = statistics.of(partition_of()).rows
    publish_with_statistics(deployment, make_object("a"), 3, Mode.RELOAD)
    statistics.add_up(now=deployment.now)

    assert (added, summed, statistics.of(partition_of()).rows) == ([2, 0], 7, 3)


def test_statistics_outlive_their_runs(tmp_path):
    deployment = Deployment(tmp_path)
    publish_with_statistics(deployment, make_object("a"), 3)
    deployment.now += timedelta(days=400)

    prune(deployment.pipeline)

    assert deployment.ledger.statistics.of(partition_of()).rows == 3
