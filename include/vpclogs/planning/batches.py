"""Group the objects of a run into batches, one batch per mapped task.

Planning is pure: the same objects in any order give the same batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from vpclogs.objects import LogObject

__all__ = ["Batch", "batch_label", "plan_batches"]

Batch = list[LogObject]


def plan_batches(objects: Iterable[LogObject], *, max_bytes: int, max_objects: int, max_batches: int) -> list[Batch]:
    """Pack objects into batches of at most ``max_bytes`` (as stored) and ``max_objects``.

    A batch holds many small partitions, or a slice of one big partition. An object larger than ``max_bytes`` is a
    batch of its own. If there would be more than ``max_batches`` (Airflow refuses longer maps), the batches grow: no
    object is left out.
    """
    # A total order, so that a plan that is repeated after a crash makes the same batches.
    ordered = sorted(objects, key=lambda item: (item.partition, item.key, item.etag))
    batches = list(_pack(ordered, max_bytes, max_objects))
    while len(batches) > max_batches:
        # Packing is not linear, so one growth may not be enough.
        growth = len(batches) / max_batches
        max_bytes, max_objects = int(max_bytes * growth) + 1, int(max_objects * growth) + 1
        batches = list(_pack(ordered, max_bytes, max_objects))
    return batches


def batch_label(batches: Sequence[Batch], number: int) -> str:
    """Return the label of a mapped task.

    ``123456789012 us-west-2 2022-10-07 · 2/3`` or ``37 partitions · 212 objects · 48.0 MB``.
    """
    batch = batches[number]
    partitions = {item.partition for item in batch}
    if len(partitions) > 1:
        size = sum(item.size for item in batch)
        shown = f"{size / 1e6:.1f} MB" if size >= 50_000 else f"{size:,} bytes"
        return f"{len(partitions)} partitions · {len(batch)} objects · {shown}"
    (partition,) = partitions
    # Batches are in partition order: the first and the last object decide.
    same = [index for index, other in enumerate(batches) if other[0].partition == partition == other[-1].partition]
    return partition.label if len(same) == 1 else f"{partition.label} · {same.index(number) + 1}/{len(same)}"


def _pack(ordered: Sequence[LogObject], max_bytes: int, max_objects: int) -> Iterator[Batch]:
    shared: Batch = []
    for _, group in groupby(ordered, key=lambda item: item.partition):
        slices = list(_slices(list(group), max_bytes, max_objects))
        if len(slices) > 1:  # a big partition shares its batches with no other
            yield from slices
            continue
        if shared and not _fits([*shared, *slices[0]], max_bytes, max_objects):
            yield shared
            shared = []
        shared = [*shared, *slices[0]]
    if shared:
        yield shared


def _slices(objects: Sequence[LogObject], max_bytes: int, max_objects: int) -> Iterator[Batch]:
    piece: Batch = []
    size = 0
    for item in objects:
        if piece and (size + item.size > max_bytes or len(piece) >= max_objects):
            yield piece
            piece, size = [], 0
        piece.append(item)
        size += item.size
    if piece:
        yield piece


def _fits(batch: Batch, max_bytes: int, max_objects: int) -> bool:
    return len(batch) <= max_objects and sum(item.size for item in batch) <= max_bytes
