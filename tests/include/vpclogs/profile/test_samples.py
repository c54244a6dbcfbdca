"""The sample of records: complete while small, an estimate when large, the same whatever the batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from vpclogs.partitions import LogType
from vpclogs.profile.expectations import EXPECTATIONS
from vpclogs.profile.samples import CAPACITY, Sample

EXPECT = EXPECTATIONS[LogType.VPC_FLOW]


def flows(count: int, *, seed: int = 1) -> pa.Table:
    """Random flow records, each unlike the others."""
    dice = np.random.default_rng(seed)
    start = dice.integers(1_665_100_800, 1_665_187_200, count) * 1_000_000
    addresses = [f"10.{a}.{b}.{c}" for a, b, c in dice.integers(0, 256, (count, 3))]
    return pa.table(
        {
            "interfaceId": [f"eni-{number}" for number in dice.integers(0, 50, count)],
            "srcAddr": addresses,
            "dstAddr": addresses[::-1],
            **{name: dice.integers(1, 60000, count) for name in ("srcPort", "dstPort", "packets", "bytes")},
            "protocol": np.full(count, 6),
            "start": pa.array(start).cast(pa.timestamp("us", "UTC")),
            "end": pa.array(start + 60_000_000).cast(pa.timestamp("us", "UTC")),
            "status": ["OK"] * count,
        }
    )


def add(sample: Sample, rows: pa.Table, objects: Sequence[int] | npt.NDArray[np.int64]) -> Sample:
    begins = np.asarray(objects, np.uint32)
    sample.add(lambda name: rows.column(name).combine_chunks(), EXPECT, lambda kept: begins[kept])
    return sample


def sample_of(rows: pa.Table, objects: Sequence[int] | npt.NDArray[np.int64]) -> Sample:
    return add(Sample(), rows, objects)


def test_few_records_are_all_compared() -> None:
    rows = flows(500)
    both = pa.concat_tables([rows, rows.slice(100, 7)])

    repeats = sample_of(both, [1] * 500 + [2] * 7).repeats()

    assert (repeats.compared, repeats.repeated, repeats.objects) == (507, 7, ("00000001", "00000002"))


def test_a_record_repeated_within_its_object_is_not_meant() -> None:
    rows = flows(500)
    both = pa.concat_tables([rows, rows.slice(100, 7)])

    repeats = sample_of(both, [1] * 507).repeats()

    assert (repeats.compared, repeats.repeated) == (500, 0)


@pytest.mark.parametrize("column", EXPECT.record)
def test_records_that_differ_in_one_column_are_different(column: str) -> None:
    rows = flows(300)
    index = rows.schema.get_field_index(column)
    other = rows.set_column(index, column, pa.concat_arrays([flows(300, seed=2).column(column).combine_chunks()]))

    repeats = sample_of(pa.concat_tables([rows, other]), [1] * 300 + [2] * 300).repeats()

    same = sum(a == b for a, b in zip(rows.column(column).to_pylist(), other.column(column).to_pylist(), strict=True))
    assert repeats.repeated == same


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_many_records_are_estimated(share: float) -> None:
    rows = flows(60_000)
    copied = int(60_000 * share)
    both = pa.concat_tables([rows, rows.slice(0, copied)])

    repeats = sample_of(both, np.repeat([1, 2], [60_000, copied])).repeats()

    assert CAPACITY // 4 < repeats.compared <= CAPACITY
    assert repeats.share == pytest.approx(copied / len(both), abs=0.015, rel=0.3)


def test_copies_in_different_batches_are_found() -> None:
    rows = flows(30_000)
    total = sample_of(rows, [1] * 30_000)

    total.update(sample_of(rows, [2] * 30_000))

    assert total.repeats().share == pytest.approx(0.5)


@pytest.mark.parametrize("cuts", [[700], [10, 20, 30], [1, 4999], list(range(0, 5000, 137))])
def test_the_cut_into_batches_and_blocks_changes_nothing(cuts: list[int]) -> None:
    rows = pa.concat_tables([flows(4000), flows(1000)])
    objects = np.repeat([1, 2], [4000, 1000])
    whole = sample_of(rows, objects)
    parts = Sample()
    for start, end in zip([0, *cuts], [*cuts, 5000], strict=True):
        parts.update(Sample.from_json(sample_of(rows.slice(start, end - start), objects[start:end]).to_json()))

    assert parts.repeats() == whole.repeats()


def test_dictionaries_and_slices_are_the_same_records() -> None:
    rows = flows(400)
    encoded = pa.table(
        {
            name: column.combine_chunks().dictionary_encode() if pa.types.is_string(column.type) else column
            for name, column in zip(rows.column_names, rows.columns, strict=True)
        }
    )
    sample = sample_of(rows, [1] * 400)
    add(sample, encoded.slice(100, 200), [2] * 200)

    assert sample.repeats().repeated == 200


def test_nulls_are_the_same_whatever_lies_under_them() -> None:
    rows = flows(100)
    mask = np.ones(100, np.bool_)
    for name in ("srcPort", "bytes"):
        first = pa.array(np.arange(100), mask=mask)
        other = pa.array(np.arange(100)[::-1], mask=mask)
        index = rows.schema.get_field_index(name)
        rows, twin = rows.set_column(index, name, first), rows.set_column(index, name, other)
    idle = rows.set_column(rows.schema.get_field_index("status"), "status", pa.array(["NODATA"] * 100))
    twin = twin.set_column(twin.schema.get_field_index("status"), "status", pa.array(["NODATA"] * 100))

    repeats = sample_of(pa.concat_tables([idle, twin]), [1] * 100 + [2] * 100).repeats()

    assert repeats.repeated == 100


def test_records_that_cannot_be_told_apart_are_not_compared() -> None:
    rows = flows(100)
    index = rows.schema.get_field_index("srcPort")
    without = rows.set_column(index, "srcPort", pa.nulls(100, pa.int64()))

    assert sample_of(without, [1] * 100).repeats().compared == 0


def test_records_that_all_look_alike_do_not_fill_the_memory() -> None:
    rows = flows(1).take(pa.array(np.zeros(5000, np.int64)))

    sample = sample_of(rows, [1] * 5000)

    assert len(sample.to_json()["hashes"]) <= CAPACITY * 8 * 4 / 3 + 4


def test_a_sample_is_the_same_in_every_release() -> None:
    # What an older release wrote in the ledger is compared with what this one reads.
    time = pa.array([1_665_100_800_000_000]).cast(pa.timestamp("us", "UTC"))
    numbers = {name: [place] for place, name in enumerate(("srcPort", "dstPort", "packets", "bytes", "protocol"))}
    texts = {"interfaceId": ["eni-1"], "srcAddr": ["10.0.0.1"], "dstAddr": ["10.0.0.2"], "status": ["OK"]}

    sample = sample_of(pa.table({**numbers, **texts, "start": time, "end": time}), [7])

    assert sample.to_json() == {"halvings": 0, "hashes": "NUtcW5eXrIU=", "objects": "BwAAAA=="}
