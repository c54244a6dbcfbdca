"""Objects that change while runs stage and publish them: their rows are of one version, the newest, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.factories import (
    NOW,
    PARTITION,
    add_column,
    expected_ids,
    foreign_values,
    freeze,
    make_object,
    make_warehouse,
    row_ids,
    stage_objects,
)
from vpclogs.errors import LedgerMismatch
from vpclogs.ledger import Ledger
from vpclogs.manifests import Manifest, Mode
from vpclogs.objects import LogObject
from vpclogs.partitions import Partition
from vpclogs.publishing.commit import Completer
from vpclogs.publishing.publisher import Publisher
from vpclogs.staged import BatchResult
from vpclogs.warehouse.tables import QUARANTINE

LATER, LATEST = NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)
ELSEWHERE = Partition.parse("123456789012|eu-west-1|2022-10-07", "vpc_dns")


class Crash(Exception):
    """Stands for the end of a process."""


class Deployment:
    """A ledger, a warehouse and a publisher, and what a run does with them."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(f"sqlite:///{folder}/ledger.db")
        self.warehouse = make_warehouse(folder)
        self.publisher = Publisher(self.ledger, self.warehouse, clock=lambda: NOW, sleep=lambda s: None)

    def stage(
        self, objects: Sequence[LogObject], run_key: str, *, mode: Mode = Mode.ADD, unread: Sequence[LogObject] = ()
    ) -> tuple[Manifest, BatchResult]:
        """A manifest of all objects; the ``unread`` ones were gone when they were to be read."""
        manifest = freeze(self.ledger, [*objects, *unread], run_key=run_key, mode=mode)
        staged = stage_objects(self.warehouse, objects)
        gone = [
            msgspec.structs.replace(outcome, state="gone", rows=0, refused=0)
            for outcome in stage_objects(self.warehouse, unread).outcomes
        ]
        return manifest, msgspec.structs.replace(staged, outcomes=[*staged.outcomes, *gone])

    def publish(self, manifest: Manifest, staged: BatchResult, passed: Sequence[str] | None = None) -> None:
        keys = [partition.key for partition in manifest.partitions] if passed is None else passed
        self.publisher.publish(manifest, {0: staged}, keys)

    def run(self, objects: Sequence[LogObject], run_key: str, **how) -> None:
        self.publish(*self.stage(objects, run_key, **how))

    def holds(self, objects: Sequence[LogObject]) -> bool:
        return (row_ids(self.warehouse), row_ids(self.warehouse, QUARANTINE)) == (
            expected_ids(objects, 1, 3),
            expected_ids(objects, 4, 4),
        )

    def state(self, item: LogObject) -> str:
        return self.ledger.objects._rows([item.identity])[item.identity].state


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


@pytest.mark.parametrize("mode", list(Mode)[:2])
def test_vanished_object_keeps_the_rows_of_its_earlier_version(mode, deployment):
    old, other = make_object("a", etag="old"), make_object("b")
    deployment.run([old, other], "first")
    new = make_object("a", etag="new", at=LATER)

    deployment.run([other] if mode is Mode.RELOAD else [make_object("c")], "second", mode=mode, unread=[new])

    assert deployment.holds([old, other] if mode is Mode.RELOAD else [old, other, make_object("c")])
    assert deployment.state(old) == "loaded"


def test_an_object_that_vanished_during_a_reload_keeps_its_rows(deployment):
    objects = [make_object("a"), make_object("b")]
    deployment.run(objects, "first")

    deployment.run(objects[:1], "reload", mode=Mode.RELOAD, unread=objects[1:])

    assert deployment.holds(objects)


@pytest.mark.parametrize("table", ["vpc_dns", QUARANTINE])
def test_rows_that_a_reload_keeps_keep_their_foreign_columns(deployment, table):
    objects = [make_object("a"), make_object("b")]
    deployment.run(objects, "first")
    add_column(deployment.warehouse, table, "foreign")

    deployment.run(objects[:1], "reload", mode=Mode.RELOAD, unread=objects[1:])

    assert foreign_values(deployment.warehouse, table) == {
        row_id: row_id[::-1] if row_id.startswith(objects[1].identity) else None
        for row_id in row_ids(deployment.warehouse, table)
    }


@pytest.mark.parametrize("mode", list(Mode)[:2])
def test_slow_run_does_not_bring_back_an_older_version(mode, deployment):
    old, new, other = make_object("a", etag="old"), make_object("a", etag="new", at=LATER), make_object("b")
    slow = deployment.stage([old, other], "slow", mode=mode)
    deployment.run([new], "fast")

    deployment.publish(*slow)

    assert deployment.holds([new, other])
    assert deployment.ledger.objects.new([new, other]) == []


def test_object_rewritten_to_its_first_content_is_loaded_again(deployment):
    first, second = make_object("a"), make_object("a", etag="e2", at=LATER)
    again = make_object("a", at=LATEST)
    for run_key, item in enumerate([first, second, again, again]):
        if deployment.ledger.objects.new([item]):
            deployment.run([item], str(run_key))

    assert deployment.holds([again])
    assert (deployment.state(first), deployment.state(second)) == ("loaded", "replaced")


def test_two_versions_published_at_once_leave_the_newer(deployment, monkeypatch):
    """The second publish comes to its end between the first one's plan and its claim."""
    old, new = make_object("a", etag="old"), make_object("a", etag="new", at=LATER)
    newer = deployment.stage([new], "newer")
    older = deployment.stage([old], "older")
    before_claim(deployment, monkeypatch, lambda: deployment.publish(*newer))

    deployment.publish(*older)

    assert deployment.holds([new])


def test_version_published_before_the_claim_is_replaced_by_a_newer(deployment, monkeypatch):
    old, new = make_object("a", etag="old"), make_object("a", etag="new", at=LATER)
    older, newer = deployment.stage([old], "older"), deployment.stage([new], "newer")
    before_claim(deployment, monkeypatch, lambda: deployment.publish(*older))

    deployment.publish(*newer)

    assert deployment.holds([new])


def before_claim(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, happen: Callable[[], None]) -> None:
    """Let something happen just before the next claim."""
    claim = deployment.ledger.intents.claim

    def late(*args, **kwargs):
        monkeypatch.setattr(deployment.ledger.intents, "claim", claim)
        happen()
        return claim(*args, **kwargs)

    monkeypatch.setattr(deployment.ledger.intents, "claim", late)


def test_versions_that_were_never_loaded_do_not_wait_for_ever(deployment):
    deployment.stage([make_object("a", etag="old")], "first")

    deployment.run([make_object("a", etag="new", at=LATER)], "second")

    (status,) = deployment.ledger.partitions.status(PARTITION.log_type)
    assert status.certificate.complete
    assert status.certificate.listed == 1


def test_objects_are_published_to_a_region_learned_later(deployment):
    """The rows of objects that could not be read say region unknown; the next listing knows better."""
    nowhere = Partition.parse("123456789012|unknown|2022-10-07", "vpc_dns")
    deployment.stage([], "first", unread=[make_object(name, partition=nowhere) for name in "ab"])

    manifest, staged = deployment.stage([make_object(name) for name in "ab"], "second")
    deployment.publish(manifest, staged)

    assert [partition.key for partition in manifest.partitions] == [PARTITION.key]
    assert [s.partition for s in deployment.ledger.partitions.status(PARTITION.log_type)] == [PARTITION]
    assert deployment.holds([make_object(name) for name in "ab"])


def test_thousands_of_rewritten_objects_are_replaced_in_one_publish(deployment):
    old = [make_object(str(number), etag="old") for number in range(1500)]
    new = [make_object(str(number), etag="new", at=LATER) for number in range(1500)]
    names = {item.identity for item in old}
    manifest = freeze(deployment.ledger, old)
    staged = BatchResult([], [msgspec.structs.replace(o, rows=0, refused=0) for o in outcomes(old)], {})
    deployment.publish(manifest, staged)

    deployment.publish(freeze(deployment.ledger, new), BatchResult([], outcomes(new), {}))

    assert {deployment.state(item) for item in old[:10]} == {"replaced"}
    assert len(names) == 1500


def outcomes(objects: Sequence[LogObject]) -> list:
    from vpclogs.staged import ObjectOutcome

    return [ObjectOutcome(item.identity, item.partition.key, "loaded") for item in objects]


def test_partitions_that_pass_on_repetition_are_published(deployment):
    mine, other = make_object("a"), make_object("z", partition=ELSEWHERE)
    manifest, staged = deployment.stage([mine, other], "run")
    deployment.publish(manifest, staged, [PARTITION.key])
    assert deployment.holds([mine])

    deployment.publish(manifest, staged)
    deployment.publish(manifest, staged)

    assert deployment.holds([mine, other])


@pytest.mark.parametrize("mode", list(Mode)[:2])
def test_manifest_published_by_two_tasks_is_published_once(mode, deployment, monkeypatch):
    staged = deployment.stage([make_object("a")], "run", mode=mode)
    before_claim(deployment, monkeypatch, lambda: deployment.publish(*staged))

    deployment.publish(*staged)

    assert deployment.holds([make_object("a")])
    commits = [s for s in deployment.warehouse.table("vpc_dns").snapshots() if s.summary]
    assert len(commits) == 1


def test_crashed_run_with_broken_files_publishes_after_staging_again(deployment, monkeypatch):
    objects = [make_object("a")]
    manifest, staged = deployment.stage(objects, "run")
    with monkeypatch.context() as patch:
        patch.setattr(Completer, "complete", lambda self, intent: (_ for _ in ()).throw(Crash()))
        with pytest.raises(Crash):
            deployment.publish(manifest, staged)
    Path(staged.files[0].path.removeprefix("file://")).write_bytes(b"")  # as a power cut leaves it

    deployment.publish(manifest, stage_objects(deployment.warehouse, objects))

    assert deployment.holds(objects)


def test_publish_with_an_expired_snapshot_is_not_repeated(deployment, monkeypatch):
    deployment.run([make_object("first")], "first")
    crashed = deployment.stage([make_object("a")], "crashed")
    with monkeypatch.context() as patch:
        patch.setattr(deployment.ledger.intents, "settle", lambda *_, **__: (_ for _ in ()).throw(Crash()))
        with pytest.raises(Crash):
            deployment.publish(*crashed)
    for name in ("vpc_dns", QUARANTINE):
        table = deployment.warehouse.table(name)
        with table.transaction() as transaction:
            transaction.update_snapshot().fast_append().commit()  # as a compaction: a commit without an intent
        expired = [s.snapshot_id for s in table.refresh().snapshots()][:-1]
        table.maintenance.expire_snapshots().by_ids(expired).commit()

    with pytest.raises(LedgerMismatch, match="ledger rebuild"):
        deployment.run([make_object("b")], "next")

    assert deployment.holds([make_object("first"), make_object("a")])


def test_commit_whose_answer_was_lost_is_found_and_not_repeated(deployment, monkeypatch):
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.exceptions import CommitStateUnknownException

    commit, lost = SqlCatalog.commit_table, []

    def commit_and_lose(self, table, requirements, updates):
        answer = commit(self, table, requirements, updates)
        if table.name()[-1] not in lost and any(update.action == "add-snapshot" for update in updates):
            lost.append(table.name()[-1])
            raise CommitStateUnknownException("502")
        return answer

    monkeypatch.setattr(SqlCatalog, "commit_table", commit_and_lose)

    deployment.run([make_object("a")], "run")

    assert sorted(lost) == [QUARANTINE, "vpc_dns"]
    assert deployment.holds([make_object("a")])
