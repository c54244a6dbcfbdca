"""Histories are cut, and nothing that publishing needs of them is ever gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.factories import expected_ids, make_object, row_ids
from tests.include.vpclogs.maintenance.deployments import LATER, Deployment, partition_of
from vpclogs.maintenance.compaction import compact
from vpclogs.partitions import LogType
from vpclogs.publishing.commit import Completer
from vpclogs.warehouse.commit_retry import UNDECIDED
from vpclogs.warehouse.expiry import expire
from vpclogs.warehouse.snapshots import INTENT_PROPERTY, history, intent_of
from vpclogs.warehouse.tables import QUARANTINE


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, now=LATER)


def run(deployment: Deployment, table: str = "vpc_dns", **options) -> int:
    return expire(deployment.warehouse.table(table), deployment.ledger, **options)


def snapshots(deployment: Deployment, table: str = "vpc_dns") -> int:
    return len(deployment.warehouse.table(table).metadata.snapshots)


def test_the_newest_snapshots_stay_and_all_rows(deployment):
    objects = deployment.publish_hours(6)

    gone = run(deployment, keep=2)
    deployment.publish([make_object("next")], run_key="next")

    assert (gone, snapshots(deployment)) == (4, 3)
    assert row_ids(deployment.warehouse) == expected_ids([*objects, make_object("next")], 1, 3)


def test_young_snapshots_stay(deployment):
    deployment.publish_hours(4)
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)

    assert run(deployment, keep=1, since=an_hour_ago) == 0
    assert run(deployment, keep=1, since=an_hour_ago + timedelta(hours=2)) == 3


def test_a_snapshot_that_somebody_tagged_stays(deployment):
    deployment.publish_hours(4)
    table = deployment.warehouse.table("vpc_dns")
    tagged = list(history(table))[2]
    table.manage_snapshots().create_tag(tagged.snapshot_id, "audit-2022").commit()

    run(deployment, keep=1)

    assert {s.snapshot_id for s in deployment.warehouse.table("vpc_dns").metadata.snapshots} >= {tagged.snapshot_id}
    assert snapshots(deployment) == 2


def test_the_newest_publish_stays_under_whatever_came_later(deployment):
    deployment.publish_hours(3)
    settings = deployment.pipeline.settings
    compact(deployment.warehouse, "vpc_dns", settings=settings, today=deployment.today())

    run(deployment, keep=1)

    newest, publish = history(deployment.warehouse.table("vpc_dns"))
    assert (intent_of(newest), bool(intent_of(publish))) == (None, True)


def test_snapshots_that_an_open_intent_needs_are_not_expired(deployment, monkeypatch):
    objects = deployment.publish_hours(2)
    deployment.publish_and_crash([make_object("crashed")], monkeypatch)
    settings = deployment.pipeline.settings
    for _ in range(2):  # others go on meanwhile
        compact(deployment.warehouse, QUARANTINE, settings=settings, today=deployment.today())

    for table in ("vpc_dns", QUARANTINE):
        run(deployment, table, keep=1)
    deployment.pipeline.publisher.complete_open(partition_of().log_type)

    assert row_ids(deployment.warehouse) == expected_ids([*objects, make_object("crashed")], 1, 3)
    assert row_ids(deployment.warehouse, QUARANTINE) == expected_ids([*objects, make_object("crashed")], 4, 4)


def test_half_committed_publish_is_completed_after_an_expiration(deployment, monkeypatch):
    objects = deployment.publish_hours(2)
    deployment.publish_and_crash([make_object("crashed")], monkeypatch, after="the first table")

    for table in ("vpc_dns", QUARANTINE):
        run(deployment, table, keep=1)
    deployment.pipeline.publisher.complete_open(partition_of().log_type)

    assert row_ids(deployment.warehouse) == expected_ids([*objects, make_object("crashed")], 1, 3)
    assert row_ids(deployment.warehouse, QUARANTINE) == expected_ids([*objects, make_object("crashed")], 4, 4)


def test_history_expired_before_the_claim_is_read_again(deployment, monkeypatch):
    """A publisher is paused in between, for so long that others publish and the history is cut."""
    bases, others = Completer.bases, []

    def look_and_pause(completer: Completer, log_type: LogType) -> dict[str, int]:
        seen = bases(completer, log_type)
        if not others:
            others.extend(make_object(f"{n}", partition=partition_of(region="eu-west-1")) for n in range(3))
            for item in others:
                deployment.publish([item], run_key=item.key)
            assert [run(deployment, table, keep=1) for table in ("vpc_dns", QUARANTINE)] == [2, 2]
        return seen

    monkeypatch.setattr(Completer, "bases", look_and_pause)

    deployment.publish([make_object("paused")], run_key="paused")

    assert row_ids(deployment.warehouse) == expected_ids([*others, make_object("paused")], 1, 3)
    assert row_ids(deployment.warehouse, QUARANTINE) == expected_ids([*others, make_object("paused")], 4, 4)


def test_claim_before_an_announced_expiration_keeps_its_history(deployment, monkeypatch):
    stale = deployment.pipeline.publisher._completer.bases(partition_of().log_type)
    objects = deployment.publish_hours(3)
    announce = deployment.ledger.cuts.announce

    def claim_first(table: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Completer, "bases", lambda *_: stale)
            deployment.publish_and_crash([make_object("crashed")], monkeypatch, after="the first table")
        announce(table)

    with monkeypatch.context() as patch:
        patch.setattr(deployment.ledger.cuts, "announce", claim_first)
        assert run(deployment, keep=1) == 0
    deployment.pipeline.publisher.complete_open(partition_of().log_type)

    assert row_ids(deployment.warehouse) == expected_ids([*objects, make_object("crashed")], 1, 3)


def test_open_publish_keeps_only_the_history_of_its_tables(deployment, monkeypatch):
    deployment.publish_hours(2)
    deployment.publish_and_crash([make_object("crashed")], monkeypatch)
    for number in range(3):
        table = deployment.warehouse.table("vpc_flow")
        with table.transaction() as transaction:
            transaction.update_snapshot(snapshot_properties={INTENT_PROPERTY: f"{number}"}).fast_append().commit()

    assert run(deployment, "vpc_flow", keep=1) == 2


def test_publishing_itself_keeps_the_history_short(tmp_path):
    deployment = Deployment(tmp_path, keep_snapshots=10, max_snapshots=20)

    objects = deployment.publish_hours(22)

    assert snapshots(deployment) == 11
    assert snapshots(deployment, QUARANTINE) == 11
    assert row_ids(deployment.warehouse) == expected_ids(objects, 1, 3)


def test_two_that_expire_at_once_do_not_disturb_each_other(deployment):
    deployment.publish_hours(4)
    stale = deployment.warehouse.table("vpc_dns")

    assert run(deployment, keep=1) == 3
    with pytest.raises(UNDECIDED):
        expire(stale, deployment.ledger, keep=2)
    assert run(deployment, keep=2) == 0
