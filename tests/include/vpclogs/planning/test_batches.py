"""Packing objects into batches."""

from __future__ import annotations

import random

import pytest

from tests.factories import PARTITION, make_object
from vpclogs.partitions import Partition
from vpclogs.planning.batches import batch_label, plan_batches

OTHER = Partition.parse("123456789012|eu-west-1|2022-10-07", "vpc_dns")
THIRD = Partition.parse("123456789012|sa-east-1|2022-10-07", "vpc_dns")


def sizes_of(*groups: tuple[Partition, list[int]], **how: int) -> list[list[int]]:
    objects = [
        make_object(f"{number:03}", partition=partition, size=size)
        for partition, sizes in groups
        for number, size in enumerate(sizes)
    ]
    batches = plan_batches(objects, **({"max_bytes": 10, "max_objects": 4, "max_batches": 100} | how))
    return [[item.size for item in batch] for batch in batches]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([(OTHER, [1, 2]), (THIRD, [3])], [[1, 2, 3]], id="small partitions share"),
        pytest.param([(OTHER, [6]), (THIRD, [6])], [[6], [6]], id="no two fit together"),
        pytest.param([(OTHER, [6, 6, 6])], [[6], [6], [6]], id="a big partition is split"),
        pytest.param([(OTHER, [1]), (THIRD, [6, 6]), (PARTITION, [1])], [[6], [6], [1, 1]], id="a big one shares not"),
        pytest.param([(OTHER, [99, 1])], [[99], [1]], id="an oversized object stands alone"),
        pytest.param([(OTHER, [1] * 6)], [[1] * 4, [1] * 2], id="a batch has an end in objects too"),
    ],
)
def test_batch_sizes(groups, expected):
    assert sorted(sizes_of(*groups), key=sum, reverse=True) == sorted(expected, key=sum, reverse=True)


def test_the_order_of_listing_does_not_matter():
    objects = [make_object(f"{number:02}", size=number) for number in range(20)]
    shuffled = random.Random(7).sample(objects, k=20)

    def plan(listed):
        return plan_batches(listed, max_bytes=30, max_objects=5, max_batches=100)

    assert plan(shuffled) == plan(objects)


def test_batches_grow_rather_than_leave_anything_out():
    assert sum(map(len, sizes_of((OTHER, [10] * 1000), max_batches=7))) == 1000
    assert len(sizes_of((OTHER, [10] * 1000), max_batches=7)) <= 7


def test_labels_name_the_partition_or_count_them():
    objects = [make_object(f"{n}", size=6) for n in range(2)] + [make_object("x", partition=OTHER, size=5)]
    objects += [make_object("y", partition=THIRD, size=5)]
    batches = plan_batches(objects, max_bytes=10, max_objects=4, max_batches=10)

    labels = {batch_label(batches, number) for number in range(len(batches))}

    assert labels == {
        "123456789012 us-west-2 2022-10-07 · 1/2",
        "123456789012 us-west-2 2022-10-07 · 2/2",
        "2 partitions · 2 objects · 10 bytes",
    }
