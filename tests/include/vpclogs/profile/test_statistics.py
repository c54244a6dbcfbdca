"""Statistics: small, mergeable, and readable by a later release."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pyarrow as pa
import pytest

from tests.include.vpclogs.audits.deliveries import Day, each_line, flow_day
from vpclogs.parsing import parse
from vpclogs.parsing.model import ObjectInput, Parsed
from vpclogs.partitions import LogType
from vpclogs.profile.counter import OTHERS, NameCounter
from vpclogs.profile.partition_statistics import PartitionStatistics
from vpclogs.profile.statistics import Statistics, merge
from vpclogs.schemas import schema_for
from vpclogs.warehouse.tables import Warehouse


def statistics_of(day: Day, warehouse: Warehouse, *, batches: int = 1) -> dict[str, object]:
    return merge(part for result in day.staged(warehouse, batches=batches) for part in result.statistics.values())


def counts(statistics: dict[str, object]) -> object:
    """All but the sample's order and the examples, which depend on who came first."""
    return json.loads(
        json.dumps({key: value for key, value in statistics.items() if key != "sample"}),
        object_hook=lambda value: {k: v[0] if isinstance(v, list) else v for k, v in value.items()},
    )


def test_batches_add_up_to_the_whole(warehouse: Warehouse) -> None:
    day = flow_day()
    each_line(day, lambda values: [*values[:10], "x", *values[11:]], every=20)

    whole = statistics_of(day, warehouse)
    parts = statistics_of(day, warehouse, batches=5)

    assert counts(parts) == counts(whole)
    assert whole["rows"] == 2280
    assert whole["refused"] == 120


def test_they_stay_small(warehouse: Warehouse) -> None:
    day = flow_day(objects=3, records=5000)
    # every line another account, off the day by another time: nothing of it may be kept one by one
    numbers = iter(range(10**12 - 15000, 10**12))
    each_line(day, lambda values: [values[0], str(next(numbers)), *values[2:]])

    assert len(json.dumps(statistics_of(day, warehouse))) < 50_000


def test_a_hostile_value_is_cut() -> None:
    tally = NameCounter()
    tally.add("x" * 10_000_000)

    assert max(map(len, tally.names)) <= 100


def test_many_names_end_in_one() -> None:
    tally = NameCounter()
    for number in range(1000):
        tally.add(str(number))

    assert tally.total == 1000
    assert tally.of(OTHERS) == 800


def test_of_nothing_comes_nothing() -> None:
    assert merge([]) == PartitionStatistics().to_json()
    assert PartitionStatistics.from_json({}).rows == 0


def four_rows() -> pa.Table:
    text = "\n".join(flow_day().objects[0].text.splitlines()[:5]) + "\n"
    events = parse(LogType.VPC_FLOW, [ObjectInput(0, "flow", iter([gzip.compress(text.encode())]))])
    return next(event.rows for event in events if isinstance(event, Parsed))


@pytest.mark.parametrize(
    ("objects", "lines", "disordered"),
    [
        pytest.param([0, 0, 1, 1], [2, 3, 2, 3], 0, id="in order"),
        pytest.param([0, 0, 1, 1], [2, 2, 2, 3], 1, id="a line twice"),
        pytest.param([0, 0, 1, 1], [3, 2, 3, 2], 2, id="backwards"),
        pytest.param([0, 1, 0, 1], [2, 2, 3, 3], 1, id="objects mixed"),
    ],
)
def test_rows_out_of_order_are_counted(objects: list[int], lines: list[int], disordered: int) -> None:
    day = flow_day()
    statistics = Statistics(day.partition, schema_for(day.log_type))

    statistics.observe(Parsed(four_rows(), np.array(objects, np.int32), np.array(lines)), day.listed())

    assert statistics.to_json()["disordered"] == disordered


def test_rows_that_come_again_are_counted() -> None:
    day = flow_day()
    statistics = Statistics(day.partition, schema_for(day.log_type))
    parsed = Parsed(four_rows(), np.zeros(4, np.int32), np.arange(2, 6))

    statistics.observe(parsed, day.listed())
    statistics.observe(parsed, day.listed())

    assert statistics.to_json()["disordered"] == 1
