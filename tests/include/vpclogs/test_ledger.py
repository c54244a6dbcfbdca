"""The ledger's schema, and what it remembers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.exc import StatementError

from tests.factories import NOW, PARTITION, make_object
from vpclogs.ledger import Ledger
from vpclogs.ledger.database import HEAD
from vpclogs.ledger.tables import metadata
from vpclogs.partitions import UNKNOWN_REGION
from vpclogs.staged import BatchResult


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


def test_the_migrations_make_the_tables_that_the_code_uses(ledger, tmp_path):
    with create_engine(f"sqlite:///{tmp_path}/ledger.db").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_ledger_expects_the_newest_migration(ledger, tmp_path):
    with create_engine(f"sqlite:///{tmp_path}/ledger.db").connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == HEAD


def test_many_processes_may_open_a_new_ledger_at_once(tmp_path):
    url = f"sqlite:///{tmp_path}/new.db"

    with ThreadPoolExecutor(8) as pool:
        ledgers = list(pool.map(Ledger, [url] * 8))

    assert all(ledger.objects.known_scopes() == {} for ledger in ledgers)


def test_objects_are_new_until_they_are_settled(ledger):
    objects = [make_object("a"), make_object("b")]

    ledger.objects.record(objects, now=NOW)

    assert ledger.objects.new(objects) == objects


def test_recording_objects_twice_gives_the_same_ids(ledger):
    objects = [make_object(f"{number}") for number in range(1200)]

    first = ledger.objects.record(objects[:700], now=NOW)
    ids = ledger.objects.record(objects, now=NOW)

    assert len(set(ids.values())) == 1200
    assert {identity: ids[identity] for identity in first} == first


def test_a_vpc_never_moves(ledger):
    ledger.objects.learn_region("123456789012", "vpc-1", "us-west-2", learned_from="a")
    ledger.objects.learn_region("123456789012", "vpc-1", "eu-west-1", learned_from="b")

    assert ledger.objects.known_scopes() == {("123456789012", "vpc-1"): "us-west-2"}
    assert UNKNOWN_REGION not in ledger.objects.known_scopes().values()


def test_a_partition_is_newly_failed_once(ledger):
    why = {PARTITION.key: "a reason"}

    before = ledger.partitions.not_failed([PARTITION.key], PARTITION.log_type)
    for run_key in ("1", "2"):
        ledger.partitions.fail(why, log_type=PARTITION.log_type, run_key=run_key, now=NOW)

    assert before == [PARTITION.key]
    assert ledger.partitions.not_failed([PARTITION.key], PARTITION.log_type) == []


def test_a_time_without_a_zone_is_refused(ledger):
    with pytest.raises(StatementError, match="has no zone"):
        ledger.objects.record([make_object("a")], now=datetime(2022, 10, 7))  # noqa: DTZ001


def test_nothing_is_staged_for_a_manifest_that_does_not_exist(ledger):
    with pytest.raises(Exception, match="FOREIGN KEY"):
        ledger.manifests.keep_staged(99, 0, BatchResult([], [], {}), now=NOW)
