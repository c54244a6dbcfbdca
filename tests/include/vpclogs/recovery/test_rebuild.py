"""A ledger that was lost or is too old is rebuilt, and runs go on without losing or repeating a row."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.include.vpclogs.parsing.flow_fates import V2
from tests.pipelines import (
    KEY,
    contents,
    dns_key,
    event,
    flow_key,
    make_pipeline,
    put_lines,
    reload,
    rows,
    run_hour,
)
from vpclogs.errors import LedgerMismatch, PublishConflict
from vpclogs.ledger.objects import UNKNOWN_ETAG
from vpclogs.ledger.tables import objects
from vpclogs.partitions import LogType
from vpclogs.pipeline import Pipeline
from vpclogs.publishing.commit import Completer
from vpclogs.recovery.rebuild import Rebuilt, rebuild

COUNTS = ("loaded", "refused", "rows", "quarantined")
FLOW_RECORD = b"2 123456789012 eni-1 10.0.0.1 10.0.0.2 40000 443 6 10 840 1665178000 1665178060 ACCEPT OK"


class Crash(Exception):
    """Stands for the end of a process."""


@pytest.fixture
def fresh(tmp_path: Path, bucket: str, s3: Any) -> Callable[[], Pipeline]:
    """A new process's pipeline over the same deployment."""
    return lambda: make_pipeline(tmp_path, bucket, s3)


@pytest.fixture
def lose_ledger(tmp_path: Path) -> Callable[[], None]:
    def lose() -> None:
        for file in tmp_path.glob("ledger.db*"):
            file.unlink()

    return lose


@pytest.fixture
def back_up(tmp_path: Path) -> Callable[[], None]:
    def copy() -> None:
        with sqlite3.connect(tmp_path / "ledger.db") as source, sqlite3.connect(tmp_path / "backup.db") as target:
            source.backup(target)

    return copy


@pytest.fixture
def restore(tmp_path: Path, lose_ledger: Callable[[], None]) -> Callable[[], None]:
    def put_back() -> None:
        lose_ledger()
        shutil.copy(tmp_path / "backup.db", tmp_path / "ledger.db")

    return put_back


def put_first(s3: Any, bucket: str) -> None:
    put_lines(s3, bucket, dns_key("2100"), [event(), b"{", event()])
    put_lines(s3, bucket, dns_key("2100", account="222222222222", vpc="vpc-2"), [event(region="eu-west-1")])
    put_lines(s3, bucket, flow_key("2100"), [V2.encode(), FLOW_RECORD, b"short"])


def put_more(s3: Any, bucket: str) -> None:
    put_lines(s3, bucket, dns_key("2105"), [event()])
    put_lines(s3, bucket, dns_key("2106", day="2022/10/06"), [b"{", b"}"])
    s3.put_object(Bucket=bucket, Key=dns_key("2110"), Body=b"PK\x03\x04")
    s3.put_object(Bucket=bucket, Key=dns_key("2115"), Body=b"")
    put_lines(s3, bucket, flow_key("2105"), [b"no header"])


def run_both(pipeline: Pipeline, run_key: str) -> int:
    """One hour of both logs; how many objects they loaded."""
    return sum(run_hour(pipeline, f"{log_type} {run_key}", log_type).objects for log_type in LogType)


def do_rebuild(pipeline: Pipeline, **how: Any) -> Rebuilt:
    return rebuild(pipeline, run_key="rebuild", **how)


def certificates(pipeline: Pipeline) -> list[Any]:
    return [
        (
            s.partition,
            s.state,
            s.certificate.loaded,
            s.certificate.refused,
            s.certificate.rows,
            s.certificate.quarantined,
        )
        for log_type in LogType
        for s in pipeline.ledger.partitions.status(log_type)
    ]


def test_rebuilt_ledger_loads_nothing_twice_and_loses_nothing(fresh, lose_ledger, s3, bucket):
    put_first(s3, bucket)
    put_more(s3, bucket)
    pipeline = fresh()
    run_both(pipeline, "1")
    before, counted = contents(pipeline), certificates(pipeline)
    lose_ledger()
    with pytest.raises(LedgerMismatch, match="vpclogs ledger rebuild"):
        run_hour(fresh(), "too early")
    lose_ledger()

    rebuilt = do_rebuild(fresh())

    assert (rebuilt.changes.added, rebuilt.publishes) == ({"loaded": 5, "refused": 2}, 2)
    assert certificates(fresh()) == counted
    assert run_both(fresh(), "2") == 1, "the empty object"
    assert contents(fresh()) == before
    put_lines(s3, bucket, dns_key("2120"), [event()])
    assert run_both(fresh(), "3") == 1


def test_a_ledger_lost_in_postgresql_is_rebuilt_there(tmp_path, bucket, s3, postgres):
    put_first(s3, bucket)
    run_both(lost := make_pipeline(tmp_path, bucket, s3, ledger=postgres.create("lost")), "first")
    before = contents(lost), certificates(lost)
    new = make_pipeline(tmp_path, bucket, s3, ledger=postgres.create("rebuilt"))

    done = do_rebuild(new)

    assert (done.publishes, done.suspects, done.failures) == (2, [], [])
    assert run_both(new, "second") == 0
    assert (contents(new), certificates(new)) == before


def test_a_ledger_from_a_backup_gets_what_it_misses(fresh, back_up, restore, s3, bucket):
    put_first(s3, bucket)
    run_both(fresh(), "1")
    back_up()
    put_more(s3, bucket)
    put_lines(s3, bucket, dns_key("2100"), [event(), event(rcode="NXDOMAIN")])  # rewritten
    run_both(fresh(), "2")
    before, counted = contents(fresh()), certificates(fresh())
    restore()

    rebuilt = do_rebuild(fresh())

    assert (rebuilt.changes.added, rebuilt.changes.corrected) == ({"loaded": 3, "refused": 2}, {"replaced": 1})
    assert certificates(fresh()) == counted
    assert run_both(fresh(), "3") == 1, "the empty object"
    assert contents(fresh()) == before


def test_rebuilding_twice_or_with_a_sound_ledger_changes_nothing(fresh, lose_ledger, s3, bucket):
    put_first(s3, bucket)
    run_both(fresh(), "1")
    assert do_rebuild(fresh()) == Rebuilt()
    lose_ledger()

    do_rebuild(fresh())

    assert do_rebuild(fresh()) == Rebuilt()


def test_a_dry_run_tells_the_same_and_changes_nothing(fresh, lose_ledger, s3, bucket):
    put_first(s3, bucket)
    run_both(fresh(), "1")
    lose_ledger()

    told = do_rebuild(fresh(), dry_run=True)

    assert certificates(fresh()) == []
    assert told == do_rebuild(fresh())


def test_run_of_the_old_ledger_does_not_keep_its_claims(fresh, back_up, restore, s3, bucket):
    put_first(s3, bucket)
    run_both(fresh(), "1")
    back_up()
    put_more(s3, bucket)
    run_both(fresh(), "2")
    before = contents(fresh())
    restore()
    put_lines(s3, bucket, dns_key("2130"), [event()])
    with pytest.raises(LedgerMismatch):
        run_hour(fresh(), "on the old ledger")

    do_rebuild(fresh())

    assert fresh().ledger.intents.open(LogType.VPC_DNS) is None
    assert run_both(fresh(), "3") == 2, "the new object and the empty one"
    after = contents(fresh())
    assert len(after.pop("vpc_dns")) == len(before.pop("vpc_dns")) + 1
    assert after == before


def test_objects_deleted_from_s3_survive_a_reload(fresh, lose_ledger, s3, bucket):
    put_first(s3, bucket)
    put_lines(s3, bucket, dns_key("2140"), [event(), b"{"])
    put_lines(s3, bucket, dns_key("2150"), [event()])
    run_both(fresh(), "1")
    before = contents(fresh())
    for name in ("2140", "2150"):
        s3.delete_object(Bucket=bucket, Key=dns_key(name))
    lose_ledger()

    rebuilt = do_rebuild(fresh())
    reload(fresh(), KEY, "reload")

    assert rebuilt.changes.unlisted == 2
    assert contents(fresh()) == before


def test_unlisted_object_is_loaded_once_it_can_be_listed(fresh, lose_ledger, s3, bucket, monkeypatch):
    put_first(s3, bucket)
    run_both(fresh(), "1")
    before = contents(fresh())
    lose_ledger()
    with monkeypatch.context() as patch:
        patch.setattr("vpclogs.s3.listing._Walk.objects", lambda self, folder, region, day, visit: None)
        assert do_rebuild(fresh()).changes.unlisted == 3
    assert UNKNOWN_ETAG in etags(fresh())

    reload(fresh(), KEY, "reload")
    reload(fresh(), "222222222222|eu-west-1|2022-10-07", "reload 2")

    assert contents(fresh()) == before
    assert UNKNOWN_ETAG not in etags(fresh())


def test_object_rewritten_without_a_ledger_replaces_its_old_rows(fresh, lose_ledger, s3, bucket):
    put_first(s3, bucket)
    run_both(fresh(), "1")
    lose_ledger()
    put_lines(s3, bucket, dns_key("2100"), [event(rcode="NXDOMAIN")])

    do_rebuild(fresh())
    run_both(fresh(), "2")

    found = rows(fresh(), "vpc_dns", "p_account", "rcode")
    assert [row["rcode"] for row in found if row["p_account"] == "123456789012"] == ["NXDOMAIN"]


def crash_between_the_tables(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Completer._commit

    def crash(self: Completer, intent: Any, name: str) -> bool:
        if name != "quarantine":
            raise Crash
        return commit(self, intent, name)

    with monkeypatch.context() as patch:
        patch.setattr(Completer, "_commit", crash)
        with pytest.raises(Crash):
            run_hour(pipeline, "crashed")


def test_half_done_publish_of_a_lost_ledger_is_named(fresh, lose_ledger, s3, bucket, monkeypatch):
    put_first(s3, bucket)
    run_both(fresh(), "1")
    put_lines(s3, bucket, dns_key("2105"), [event(), b"{"])
    crash_between_the_tables(fresh(), monkeypatch)
    lose_ledger()

    rebuilt = do_rebuild(fresh())

    assert [partition.key for partition in rebuilt.suspects] == [KEY]
    (status,) = [s for s in fresh().ledger.partitions.status(LogType.VPC_DNS) if s.state == "failed"]
    assert "rerun the partition" in status.detail
    reload(fresh(), KEY, "rerun")
    assert len(rows(fresh(), "vpc_dns")) == 4
    assert len(rows(fresh(), "quarantine")) == 3
    assert {s.state for s in fresh().ledger.partitions.status(LogType.VPC_DNS)} == {"published"}


def test_half_done_publish_in_a_restored_ledger_is_completed(fresh, back_up, restore, s3, bucket, monkeypatch):
    put_first(s3, bucket)
    run_hour(fresh(), "1")
    put_lines(s3, bucket, dns_key("2105"), [event(), b"{"])
    crash_between_the_tables(fresh(), monkeypatch)
    back_up()
    run_hour(fresh(), "flow", LogType.VPC_FLOW)
    restore()

    do_rebuild(fresh())

    assert fresh().ledger.intents.open(LogType.VPC_DNS) is None
    assert [len(rows(fresh(), name)) for name in ("vpc_dns", "vpc_flow", "quarantine")] == [4, 1, 3]
    assert run_both(fresh(), "2") == 0


@pytest.mark.parametrize("older", [False, True], ids=["with the ledger as it is", "with a ledger from a backup"])
def test_half_done_publish_is_abandoned_and_repaired_by_a_rerun(
    older, fresh, back_up, restore, s3, bucket, monkeypatch, tmp_path
):
    put_first(s3, bucket)
    run_hour(fresh(), "1")
    put_lines(s3, bucket, dns_key("2105"), [event(), b"{"])
    crash_between_the_tables(fresh(), monkeypatch)
    for path in fresh().ledger.intents.open(LogType.VPC_DNS).plan.files["vpc_dns"]:
        Path(path.removeprefix("file://")).unlink()
    back_up()
    run_hour(fresh(), "flow", LogType.VPC_FLOW)
    if older:
        restore()

    assert [partition.key for partition in do_rebuild(fresh()).suspects] == [KEY]
    reload(fresh(), KEY, "rerun")

    assert [len(rows(fresh(), name)) for name in ("vpc_dns", "vpc_flow", "quarantine")] == [4, 1, 3]
    assert run_both(fresh(), "2") == 0


def test_concurrent_publish_restarts_the_count(fresh, lose_ledger, s3, bucket, monkeypatch):
    put_first(s3, bucket)
    run_both(fresh(), "1")
    pipeline, survey, told = fresh(), Pipeline.survey, []

    def publish_first(self: Pipeline, *args: Any, **named: Any) -> Any:
        monkeypatch.setattr(Pipeline, "survey", survey)
        put_more(s3, bucket)
        run_both(fresh(), "2")
        return survey(self, *args, **named)

    monkeypatch.setattr(Pipeline, "survey", publish_first)
    assert do_rebuild(pipeline, progress=told.append) == Rebuilt()
    assert any("starting again" in text for text in told)


def test_it_gives_up_when_runs_keep_publishing(fresh, s3, bucket, monkeypatch):
    put_first(s3, bucket)
    run_both(fresh(), "1")
    monkeypatch.setattr("vpclogs.recovery.table_scan.TableScan.unchanged", lambda self: False)

    with pytest.raises(PublishConflict, match="pause the DAGs"):
        do_rebuild(fresh())


def test_lost_rows_are_reported_and_left_to_a_reload(fresh, s3, bucket):
    put_first(s3, bucket)
    put_lines(s3, bucket, dns_key("2140"), [event()])
    run_both(fresh(), "1")
    fresh().warehouse.table("vpc_dns").delete(f"p_source_key = '{dns_key('2140')}'")

    rebuilt = do_rebuild(fresh())

    assert [(partition.key, count) for partition, count in rebuilt.changes.lost.items()] == [(KEY, 1)]
    reload(fresh(), KEY, "reload")
    assert len(rows(fresh(), "vpc_dns")) == 4


def etags(pipeline: Pipeline) -> set[str]:
    with pipeline.ledger.database.read() as connection:
        return set(connection.scalars(objects.select().with_only_columns(objects.c.etag)))
