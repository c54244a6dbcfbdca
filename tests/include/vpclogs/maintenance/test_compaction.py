"""Compaction on a real catalog: the same rows in few files, whatever happens beside it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.types import IntegerType, LongType

from tests.factories import DAY, add_column, expected_ids, field_ids, forget_field_ids, make_object, row_ids
from tests.include.vpclogs.maintenance.deployments import LATER, Deployment, partition_of
from vpclogs.maintenance import compaction, time_order
from vpclogs.maintenance.compaction import compact
from vpclogs.manifests import Mode
from vpclogs.warehouse.tables import QUARANTINE


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, now=LATER)


def run(deployment: Deployment, table: str = "vpc_dns", **options) -> compaction.Compacted:
    settings = deployment.pipeline.settings
    return compact(
        deployment.warehouse,
        table,
        settings=settings,
        today=deployment.today(),
        sleep=lambda seconds: None,
        **options,
    )


def contents(deployment: Deployment, table: str) -> pa.Table:
    loaded = deployment.warehouse.table(table)
    # files of other engines read back as large_string where ours read back as string
    return loaded.scan().to_arrow().cast(schema_to_pyarrow(loaded.schema())).sort_by("p_row_id")


@pytest.mark.parametrize("table", ["vpc_dns", QUARANTINE])
def test_files_of_a_closed_partition_become_one(deployment, table):
    deployment.publish_hours(6, days=2)
    before = contents(deployment, table)

    done = run(deployment, table)

    assert deployment.files(table) == {partition_of(0).key: 1, partition_of(1).key: 1}
    assert contents(deployment, table).equals(before)
    assert (len(done.partitions), done.files_before, done.files_after, done.rows) == (2, 6, 2, len(before))


def test_rows_of_a_file_are_ordered_by_time_and_id(deployment):
    deployment.publish_hours(3)

    run(deployment)

    (task,) = deployment.warehouse.table("vpc_dns").scan().plan_files()
    rows = pq.read_table(task.file.file_path.removeprefix("file://"))
    order = pc.sort_indices(rows, sort_keys=[("p_event_time", "ascending"), ("p_row_id", "ascending")])
    assert order.to_pylist() == list(range(9))


def test_compacted_and_open_partitions_are_skipped(deployment):
    deployment.publish_hours(3)
    deployment.now = LATER
    run(deployment)

    again = run(deployment)
    deployment.now = LATER.replace(year=DAY.year, month=DAY.month, day=DAY.day)
    deployment.publish_hours(3, days=1)
    early = run(deployment)

    assert (again.partitions, early.partitions) == ([], [])


def test_an_open_partition_with_many_small_files_is_compacted(tmp_path):
    deployment = Deployment(tmp_path, max_small_files=3)
    deployment.publish_hours(4)

    assert run(deployment).files_after == 1


def test_a_dry_run_names_the_partitions_and_changes_nothing(deployment):
    deployment.publish_hours(3)

    planned = run(deployment, dry_run=True)

    assert (planned.partitions, planned.files_before) == ([partition_of()], 3)
    assert deployment.files() == {partition_of().key: 3}


def test_big_partition_becomes_files_in_time_order(tmp_path, monkeypatch):
    deployment = Deployment(tmp_path, now=LATER, target_file_bytes=20_000)
    monkeypatch.setattr("vpclogs.warehouse.parquet._ROW_GROUP", 100)
    monkeypatch.setattr(time_order.rows_in_order, "__kwdefaults__", {"at_once": 100})
    objects = deployment.publish_hours(10, rows=200)

    done = run(deployment)

    files = [task.file.file_path for task in deployment.warehouse.table("vpc_dns").scan().plan_files()]
    spans = sorted(
        tuple(pc.min_max(pq.read_table(path.removeprefix("file://")).column("p_event_time")).as_py().values())
        for path in files
    )
    assert done.files_after == len(files) > 1
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))
    assert row_ids(deployment.warehouse) == expected_ids(objects, 1, 200)


def between(monkeypatch, action) -> None:
    """Do something after the files were rewritten, and before they are swapped in."""
    commit = compaction._commit

    def commit_later(*arguments) -> None:
        monkeypatch.setattr(compaction, "_commit", commit)
        action()
        commit(*arguments)

    monkeypatch.setattr(compaction, "_commit", commit_later)


def test_a_publish_that_adds_meanwhile_stays(deployment, monkeypatch):
    objects = deployment.publish_hours(3)
    late = make_object("late")
    between(monkeypatch, lambda: deployment.publish([late], run_key="late"))

    done = run(deployment)

    assert done.partitions == [partition_of()]
    assert row_ids(deployment.warehouse) == expected_ids([*objects, late], 1, 3)
    assert deployment.files() == {partition_of().key: 2}


def test_concurrent_reload_wins_and_only_its_partition_is_skipped(deployment, monkeypatch):
    objects = deployment.publish_hours(4, days=2)
    mine = [item for item in objects if item.partition == partition_of()]
    between(monkeypatch, lambda: deployment.publish(mine, run_key="reload", mode=Mode.RELOAD))

    done = run(deployment)

    assert (done.given_up, done.partitions) == ([partition_of(0)], [partition_of(1)])
    assert row_ids(deployment.warehouse) == expected_ids(objects, 1, 3)


def test_a_rewritten_object_meanwhile_replaces_its_rows_once(deployment, monkeypatch):
    objects = deployment.publish_hours(3)
    new = make_object("0", etag="new")
    between(monkeypatch, lambda: deployment.publish([new], run_key="new"))

    done = run(deployment)

    assert done.given_up == [partition_of()]
    assert row_ids(deployment.warehouse) == expected_ids([*objects[1:], new], 1, 3)


def test_compaction_between_claim_and_commit_of_a_reload_loses_nothing(deployment, monkeypatch):
    gone, kept = make_object("gone"), make_object("kept")
    deployment.publish([gone], run_key="1")
    deployment.publish([kept], run_key="2")
    completer = deployment.pipeline.publisher._completer
    complete = completer.complete

    def compact_first(intent) -> None:
        assert run(deployment).files_after == 1
        complete(intent)

    monkeypatch.setattr(completer, "complete", compact_first)
    deployment.publish([kept], run_key="reload", mode=Mode.RELOAD)  # carries the rows of `gone` over

    assert row_ids(deployment.warehouse) == expected_ids([gone, kept], 1, 3)
    assert row_ids(deployment.warehouse, QUARANTINE) == expected_ids([gone, kept], 4, 4)


def test_a_compaction_before_a_crashed_publish_is_completed_repeats_nothing(deployment, monkeypatch):
    objects = deployment.publish_hours(2)
    deployment.publish_and_crash([make_object("crashed")], monkeypatch)

    run(deployment)
    deployment.pipeline.publisher.complete_open(partition_of().log_type)

    assert row_ids(deployment.warehouse) == expected_ids([*objects, make_object("crashed")], 1, 3)
    assert deployment.files() == {partition_of().key: 1}


FOREIGN = {
    "text": pa.string(),
    "number": pa.float64(),
    "amount": pa.decimal128(12, 2),
    "local_time": pa.timestamp("us"),
    "fixed": pa.binary(4),
    "tags": pa.list_(pa.string()),
    "by_name": pa.map_(pa.string(), pa.int64()),
    "nested": pa.struct([pa.field("a", pa.int64()), pa.field("b", pa.list_(pa.string()))]),
}
VALUES = {
    "text": "x",
    "number": 0.5,
    "amount": Decimal("12.50"),
    "local_time": datetime(2022, 10, 7, 1, 2, 3),  # noqa: DTZ001 - a column without a zone
    "fixed": b"1234",
    "tags": ["a", None, ""],
    "by_name": [("k", 1), ("l", None)],
    "nested": {"a": 1, "b": ["c"]},
}


@pytest.mark.parametrize("table", ["vpc_dns", QUARANTINE])
@pytest.mark.parametrize("kind", FOREIGN)
def test_compaction_keeps_the_values_of_foreign_columns(deployment, table, kind):
    deployment.publish_hours(2)
    count = len(contents(deployment, table))
    add_column(deployment.warehouse, table, "foreign", pa.array([VALUES[kind], *[None] * (count - 1)], FOREIGN[kind]))
    deployment.publish([make_object("later")], run_key="later")
    before = contents(deployment, table)

    done = run(deployment, table)

    after = contents(deployment, table)
    assert done.files_after == 1
    assert after.equals(before)
    assert sorted(after.column("foreign").to_pylist(), key=lambda value: value is None)[:2] == [VALUES[kind], None]


def test_compaction_keeps_a_foreign_field_inside_answers(deployment):
    deployment.publish_hours(2)
    with deployment.warehouse.table("vpc_dns").update_schema() as update:
        update.add_column(("answers", "element", "ttl"), IntegerType())
    table = deployment.warehouse.table("vpc_dns")
    rows = table.scan().to_arrow()
    answers = [[answer | {"ttl": 60} for answer in row] for row in rows.column("answers").to_pylist()]
    place = rows.schema.get_field_index("answers")
    table.overwrite(rows.set_column(place, rows.schema.field(place), pa.array(answers, rows.schema.field(place).type)))
    deployment.publish([make_object("later")], run_key="later")
    before = contents(deployment, "vpc_dns")

    run(deployment)

    after = contents(deployment, "vpc_dns")
    assert after.equals(before)
    assert {answer["ttl"] for row in after.column("answers").to_pylist() for answer in row} == {60, None}


def test_a_column_widened_by_another_engine_is_carried(deployment):
    deployment.publish_hours(2)
    with deployment.warehouse.table("vpc_dns").update_schema() as update:
        update.update_column("p_schema_version", LongType())
    deployment.publish([make_object("later")], run_key="later")
    before = contents(deployment, "vpc_dns")

    run(deployment)

    after = contents(deployment, "vpc_dns")
    assert after.equals(before)
    assert after.schema.field("p_schema_version").type == pa.int64()


@pytest.mark.parametrize("table", ["vpc_dns", QUARANTINE])
def test_files_without_field_ids_are_written_again_once(deployment, table):
    deployment.publish_hours(1)
    forget_field_ids(deployment.warehouse, table)
    before = contents(deployment, table)
    assert set(ids_in_files(deployment, table)) == {None}

    done, again = run(deployment, table), run(deployment, table)

    assert (done.files_before, done.files_after, again.partitions) == (1, 1, [])
    assert contents(deployment, table).equals(before)
    assert None not in ids_in_files(deployment, table)


def test_each_run_renews_bounded_bytes_and_counts_the_rest(deployment):
    deployment.publish_hours(3, days=3)
    forget_field_ids(deployment.warehouse, "vpc_dns")

    runs = [run(deployment, renew_bytes=1) for _ in range(4)]

    assert [(len(done.partitions), done.left) for done in runs] == [(1, 2), (1, 1), (1, 0), (0, 0)]


def ids_in_files(deployment: Deployment, table: str) -> list[int | None]:
    paths = [task.file.file_path for task in deployment.warehouse.table(table).scan().plan_files()]
    return [number for path in paths for number in field_ids(pq.read_schema(path.removeprefix("file://")))]


@pytest.mark.parametrize(
    "commits",
    [
        pytest.param(60, marks=pytest.mark.server, id="60"),
        pytest.param(2000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)], id="2,000"),
    ],
)
def test_many_commits_are_compacted_to_few_files_with_same_rows(tmp_path, commits):
    deployment = Deployment(tmp_path, now=LATER + timedelta(days=30))
    objects = deployment.publish_hours(commits, days=30)
    before = len(list(deployment.warehouse.table("vpc_dns").scan().plan_files()))

    done = run(deployment)

    assert (before, done.files_before, len(done.partitions)) == (commits, commits, 30)
    assert set(deployment.files().values()) == {1}
    assert row_ids(deployment.warehouse) == expected_ids(objects, 1, 3)
