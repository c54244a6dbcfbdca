"""What a replay moves is in exactly one table, whatever happens between the two commits and the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.factories import (
    NOW,
    PARTITION,
    add_column,
    dns_rows,
    expected_ids,
    foreign_values,
    freeze,
    make_object,
    make_warehouse,
    row_ids,
    stage_objects,
)
from vpclogs.ledger import Ledger
from vpclogs.manifests import Manifest, Mode
from vpclogs.objects import LogObject
from vpclogs.publishing.commit import Completer
from vpclogs.publishing.publisher import Publisher
from vpclogs.schemas import schema_for
from vpclogs.staged import BatchResult, ObjectOutcome
from vpclogs.staging.lineage import with_lineage
from vpclogs.warehouse.parquet import ParquetFile
from vpclogs.warehouse.tables import QUARANTINE, Warehouse, table_schema


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


A, B = make_object("a"), make_object("b")


@pytest.fixture
def loaded(publisher: Publisher, ledger: Ledger, warehouse: Warehouse) -> list[LogObject]:
    """Two objects, each with rows of lines 1 to 3 and refused records of lines 4 and 5."""
    manifest = freeze(ledger, [A, B])
    publisher.publish(manifest, {0: stage_objects(warehouse, [A, B], bad=2)}, [PARTITION.key])
    return [A, B]


def stage_lines(warehouse: Warehouse, objects: Sequence[LogObject], lines: Sequence[int]) -> BatchResult:
    """Stage a row for each of the lines of each object, as if its record parsed now."""
    file = ParquetFile(warehouse, "vpc_dns", PARTITION, "t")
    for item in objects:
        file.write(
            with_lineage(
                dns_rows(len(lines)),
                np.zeros(len(lines), np.int32),
                np.array(lines),
                listed=[item],
                partition=PARTITION,
                schema=schema_for(PARTITION.log_type),
                table=table_schema("vpc_dns"),
                now=NOW,
            )
        )
    outcomes = [ObjectOutcome(item.identity, PARTITION.key, "loaded", rows=len(lines)) for item in objects]
    return BatchResult(file.close(), outcomes, {})


def freeze_replay(ledger: Ledger, objects: Sequence[LogObject], run_key: str = "replay") -> Manifest:
    return freeze(ledger, objects, run_key=run_key, mode=Mode.REPLAY)


def counts(ledger: Ledger) -> tuple[str, int, int, int]:
    (status,) = ledger.partitions.status(PARTITION.log_type)
    certificate = status.certificate
    return status.state, certificate.loaded, certificate.rows, certificate.quarantined


def test_what_parses_now_moves_and_the_rest_stays(publisher, ledger, warehouse, loaded):
    publisher.publish(freeze_replay(ledger, loaded), {0: stage_lines(warehouse, loaded, [4])}, [PARTITION.key])

    assert row_ids(warehouse) == expected_ids(loaded, 1, 4)
    assert row_ids(warehouse, QUARANTINE) == expected_ids(loaded, 5, 5)
    assert counts(ledger) == ("published", 2, 8, 2)


def test_records_that_stay_keep_their_foreign_columns(publisher, ledger, warehouse, loaded):
    add_column(warehouse, QUARANTINE, "foreign")

    publisher.publish(freeze_replay(ledger, loaded), {0: stage_lines(warehouse, loaded, [4])}, [PARTITION.key])

    assert foreign_values(warehouse, QUARANTINE) == {one: one[::-1] for one in expected_ids(loaded, 5, 5)}


def test_all_that_the_quarantine_holds_may_move(publisher, ledger, warehouse, loaded):
    publisher.publish(freeze_replay(ledger, loaded), {0: stage_lines(warehouse, loaded, [4, 5])}, [PARTITION.key])

    assert row_ids(warehouse) == expected_ids(loaded, 1, 5)
    assert row_ids(warehouse, QUARANTINE) == []
    assert counts(ledger) == ("published", 2, 10, 0)


def test_two_replays_that_staged_the_same_records_move_each_once(publisher, ledger, warehouse, loaded):
    one, other = freeze_replay(ledger, [A], "1"), freeze_replay(ledger, loaded, "2")
    staged_one, staged_other = stage_lines(warehouse, [A], [4]), stage_lines(warehouse, loaded, [4, 5])

    publisher.publish(one, {0: staged_one}, [PARTITION.key])
    publisher.publish(other, {0: staged_other}, [PARTITION.key])
    publisher.publish(other, {0: staged_other}, [PARTITION.key])
    assert publisher.publish(freeze_replay(ledger, [A], "3"), {0: staged_one}, [PARTITION.key]) is None

    assert row_ids(warehouse) == expected_ids(loaded, 1, 5)
    assert row_ids(warehouse, QUARANTINE) == []
    assert counts(ledger) == ("published", 2, 10, 0)


def test_a_replay_keeps_what_was_published_after_it_was_staged(publisher, ledger, warehouse, loaded):
    manifest, staged = freeze_replay(ledger, loaded), stage_lines(warehouse, loaded, [4])
    late = make_object("late")
    publisher.publish(
        freeze(ledger, [late], run_key="hour"), {0: stage_objects(warehouse, [late], bad=2)}, [PARTITION.key]
    )

    publisher.publish(manifest, {0: staged}, [PARTITION.key])

    assert row_ids(warehouse) == sorted(expected_ids(loaded, 1, 4) + expected_ids([late], 1, 3))
    assert row_ids(warehouse, QUARANTINE) == sorted(expected_ids(loaded, 5, 5) + expected_ids([late], 4, 5))


def test_publish_before_the_claim_is_not_undone(publisher, ledger, warehouse, loaded, monkeypatch):
    manifest, staged = freeze_replay(ledger, loaded), stage_lines(warehouse, loaded, [4])
    late, claim = make_object("late"), ledger.intents.claim

    def slip_in(*args, **kwargs):
        monkeypatch.setattr(ledger.intents, "claim", claim)
        publisher.publish(
            freeze(ledger, [late], run_key="hour"), {0: stage_objects(warehouse, [late])}, [PARTITION.key]
        )
        return claim(*args, **kwargs)

    monkeypatch.setattr(ledger.intents, "claim", slip_in)
    publisher.publish(manifest, {0: staged}, [PARTITION.key])

    assert row_ids(warehouse) == sorted(expected_ids(loaded, 1, 4) + expected_ids([late], 1, 3))
    assert row_ids(warehouse, QUARANTINE) == sorted(expected_ids(loaded, 5, 5) + expected_ids([late], 4, 4))


@pytest.mark.parametrize("step", ["before the first commit", "between the tables", "before the ledger is told"])
def test_a_replay_that_crashed_is_completed_by_the_next_run(step, publisher, ledger, warehouse, loaded, monkeypatch):
    commit, commits = Completer._commit, []

    def crash_in_commit(self, intent, name):
        if len(commits) == {"before the first commit": 0, "between the tables": 1}.get(step):
            raise Crash
        commits.append(name)
        return commit(self, intent, name)

    def crash_in_settle(*args, **kwargs):
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Completer, "_commit", crash_in_commit)
        patch.setattr(ledger.intents, "settle", crash_in_settle)
        with pytest.raises(Crash):
            publisher.publish(freeze_replay(ledger, loaded), {0: stage_lines(warehouse, loaded, [4])}, [PARTITION.key])

    publisher.complete_open(PARTITION.log_type)
    publisher.complete_open(PARTITION.log_type)

    assert row_ids(warehouse) == expected_ids(loaded, 1, 4)
    assert row_ids(warehouse, QUARANTINE) == expected_ids(loaded, 5, 5)
    assert counts(ledger) == ("published", 2, 8, 2)


def test_an_abandoned_replay_leaves_the_counts_as_they_were(publisher, ledger, warehouse, loaded, monkeypatch):
    manifest, staged = freeze_replay(ledger, loaded), stage_lines(warehouse, loaded, [4])
    with monkeypatch.context() as patch:
        patch.setattr(Completer, "complete", lambda self, intent: (_ for _ in ()).throw(Crash()))
        with pytest.raises(Crash):
            publisher.publish(manifest, {0: staged}, [PARTITION.key])
    for file in staged.files:
        Path(file.path.removeprefix("file://")).unlink()

    publisher.complete_open(PARTITION.log_type)

    assert row_ids(warehouse) == expected_ids(loaded, 1, 3)
    assert row_ids(warehouse, QUARANTINE) == expected_ids(loaded, 4, 5)
    assert counts(ledger) == ("published", 2, 6, 4)


def test_a_partition_that_failed_before_has_failed_still(publisher, ledger, warehouse, loaded):
    ledger.partitions.fail({PARTITION.key: "denied"}, log_type=PARTITION.log_type, run_key="hour", now=NOW)

    publisher.publish(freeze_replay(ledger, loaded), {0: stage_lines(warehouse, loaded, [4])}, [PARTITION.key])

    assert counts(ledger) == ("failed", 2, 8, 2)
