"""Publishing is exactly once, whatever happens between its steps, on a real catalog and ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.factories import (
    NOW,
    PARTITION,
    dns_rows,
    expected_ids,
    freeze,
    make_object,
    make_warehouse,
    row_ids,
    stage_objects,
)
from vpclogs.errors import LedgerMismatch
from vpclogs.intents import Intent
from vpclogs.ledger import Ledger
from vpclogs.manifests import Mode
from vpclogs.objects import LogObject
from vpclogs.publishing.commit import Completer
from vpclogs.publishing.publisher import Publisher
from vpclogs.warehouse.tables import QUARANTINE, Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return make_warehouse(tmp_path)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def publisher(ledger: Ledger, warehouse: Warehouse) -> Publisher:
    return Publisher(ledger, warehouse, clock=lambda: NOW, sleep=lambda seconds: None)


class Crash(Exception):
    """Stands for the end of a process."""


def publish(publisher: Publisher, ledger: Ledger, warehouse: Warehouse, objects: Sequence[LogObject], **how) -> None:
    manifest = freeze(ledger, objects, **how)
    publisher.publish(manifest, {0: stage_objects(warehouse, objects)}, sorted({o.partition.key for o in objects}))


def holds_exactly(warehouse: Warehouse, objects: Sequence[LogObject]) -> bool:
    return row_ids(warehouse) == expected_ids(objects, 1, 3) and row_ids(warehouse, QUARANTINE) == expected_ids(
        objects, 4, 4
    )


def test_rows_and_refused_records_are_published_together(publisher, ledger, warehouse):
    objects = [make_object("a"), make_object("b")]

    publish(publisher, ledger, warehouse, objects)

    assert holds_exactly(warehouse, objects)
    (status,) = ledger.partitions.status(PARTITION.log_type)
    assert (status.state, status.certificate.rows, status.certificate.quarantined) == ("published", 6, 2)
    assert status.certificate.complete


def test_publishing_the_same_manifest_twice_changes_nothing(publisher, ledger, warehouse):
    objects = [make_object("a")]
    manifest = freeze(ledger, objects)
    staged = {0: stage_objects(warehouse, objects)}

    publisher.publish(manifest, staged, [PARTITION.key])
    publisher.publish(manifest, staged, [PARTITION.key])

    assert holds_exactly(warehouse, objects)


def test_a_partition_that_did_not_pass_stays_invisible(publisher, ledger, warehouse):
    objects = [make_object("a")]

    publisher.publish(freeze(ledger, objects), {0: stage_objects(warehouse, objects)}, [])

    assert row_ids(warehouse) == []
    assert ledger.objects.new(objects) == objects


def test_two_manifests_with_one_object_in_common_load_it_once(publisher, ledger, warehouse):
    first, shared, last = make_object("a"), make_object("b"), make_object("c")
    one, two = freeze(ledger, [first, shared], run_key="1"), freeze(ledger, [shared, last], run_key="2")
    staged_one, staged_two = stage_objects(warehouse, [first, shared]), stage_objects(warehouse, [shared, last])

    publisher.publish(one, {0: staged_one}, [PARTITION.key])
    publisher.publish(two, {0: staged_two}, [PARTITION.key])

    assert holds_exactly(warehouse, [first, shared, last])


@pytest.mark.parametrize("step", ["before the first commit", "between the tables", "before the ledger is told"])
def test_a_publish_that_crashed_is_completed_by_the_next_run(step, publisher, ledger, warehouse, monkeypatch):
    objects = [make_object("a")]
    commit, commits = Completer._commit, []

    def crash_in_commit(self: Completer, intent: Intent, name: str) -> bool:
        if len(commits) == {"before the first commit": 0, "between the tables": 1}.get(step):
            raise Crash
        commits.append(name)
        return commit(self, intent, name)

    def crash_in_settle(*args, **kwargs) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Completer, "_commit", crash_in_commit)
        patch.setattr(ledger.intents, "settle", crash_in_settle)
        with pytest.raises(Crash):
            publish(publisher, ledger, warehouse, objects)
    assert ledger.objects.new(objects) == []  # nobody else may take them

    publish(publisher, ledger, warehouse, [make_object("next")], run_key="next")

    assert holds_exactly(warehouse, [*objects, make_object("next")])


def test_ledger_without_the_last_transaction_finds_the_publish(publisher, ledger, warehouse, tmp_path):
    objects = [make_object("a")]
    publish(publisher, ledger, warehouse, objects)
    with sqlite3.connect(tmp_path / "ledger.db") as database:  # undo what settle wrote
        database.execute("UPDATE intents SET open = 1, settled_at = NULL")
        database.execute("UPDATE objects SET state = 'listed', settled_at = NULL")
        database.execute("DELETE FROM partitions")

    publisher.complete_open(PARTITION.log_type)
    publish(publisher, ledger, warehouse, objects, run_key="again")

    assert holds_exactly(warehouse, objects)
    (status,) = ledger.partitions.status(PARTITION.log_type)
    assert status.state == "published"


def test_crashed_publish_without_staged_files_frees_its_objects(publisher, ledger, warehouse, monkeypatch):
    objects = [make_object("a")]
    manifest, staged = freeze(ledger, objects), stage_objects(warehouse, objects)
    with monkeypatch.context() as patch:
        patch.setattr(Completer, "complete", lambda self, intent: (_ for _ in ()).throw(Crash()))
        with pytest.raises(Crash):
            publisher.publish(manifest, {0: staged}, [PARTITION.key])
    for file in staged.files:
        Path(file.path.removeprefix("file://")).unlink()

    publisher.complete_open(PARTITION.log_type)

    assert ledger.objects.new(objects) == objects
    publish(publisher, ledger, warehouse, objects, run_key="again")
    assert holds_exactly(warehouse, objects)


def test_ledger_older_than_the_table_is_refused_with_advice(publisher, warehouse, ledger, tmp_path):
    publish(publisher, ledger, warehouse, [make_object("a")])
    empty = Ledger(f"sqlite:///{tmp_path}/other.db")

    with pytest.raises(LedgerMismatch, match="vpclogs ledger rebuild"):
        publish(
            Publisher(empty, warehouse, clock=lambda: NOW, sleep=lambda s: None),
            empty,
            warehouse,
            [make_object("a")],
        )

    assert holds_exactly(warehouse, [make_object("a")])


def test_an_object_rewritten_under_its_key_replaces_its_old_rows(publisher, ledger, warehouse):
    old, other, new = make_object("a", etag="old"), make_object("b"), make_object("a", etag="new")
    publish(publisher, ledger, warehouse, [old, other])

    publish(publisher, ledger, warehouse, [new], run_key="later")

    assert holds_exactly(warehouse, [other, new])
    assert ledger.objects.new([old, new]) == [old]


def test_a_reload_swaps_the_partition_and_leaves_the_others(publisher, ledger, warehouse):
    mine, other = (
        make_object("a"),
        make_object("z", partition=PARTITION.__class__.parse("123456789012|eu-west-1|2022-10-07", "vpc_dns")),
    )
    publish(publisher, ledger, warehouse, [mine, other])

    publish(publisher, ledger, warehouse, [mine], run_key="reload", mode=Mode.RELOAD)
    publish(publisher, ledger, warehouse, [mine], run_key="reload again", mode=Mode.RELOAD)

    assert holds_exactly(warehouse, [mine, other])


def test_reload_keeps_rows_of_objects_deleted_from_s3(publisher, ledger, warehouse):
    expired, kept, new = make_object("a"), make_object("b"), make_object("c")
    publish(publisher, ledger, warehouse, [expired, kept])

    publish(publisher, ledger, warehouse, [kept, new], run_key="reload", mode=Mode.RELOAD)

    assert holds_exactly(warehouse, [expired, kept, new])


def test_rows_in_a_file_keep_the_order_of_their_lines(publisher, ledger, warehouse):
    publish(publisher, ledger, warehouse, [make_object("a")])

    (task,) = warehouse.table("vpc_dns").scan().plan_files()
    times = warehouse.table("vpc_dns").scan().to_arrow().column("p_event_time").to_pylist()
    assert task.file.record_count == 3
    assert times == dns_rows(3).column("p_event_time").to_pylist()
