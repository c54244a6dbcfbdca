"""Flow logs through the real parser, in the form that the reference parser gives."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.include.vpclogs.parsing.flow_reference import RefusedWhole, parse_object
from vpclogs.parsing.driver import parse
from vpclogs.parsing.model import ObjectEnd, ObjectInput, ObjectState, Parsed, ParseLimits
from vpclogs.partitions import LogType
from vpclogs.schemas.vpc_flow import VPC_FLOW

Fate = str | list[tuple[int, Any]]
"""Of an object: why it was refused whole, or each record's line and row or (reason, field)."""

V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
V3 = f"{V2} vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr"
V4 = f"{V3} region az-id sublocation-type sublocation-id"
V5 = f"{V4} pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"


def fates(objects: Sequence[bytes], limits: ParseLimits | None = None) -> list[Fate]:
    """What becomes of each object, given as it is stored."""
    inputs = [ObjectInput(i, f"object {i}", iter([data])) for i, data in enumerate(objects)]
    records: list[list[tuple[int, Any]]] = [[] for _ in objects]
    ends: list[ObjectEnd] = []
    for event in parse(LogType.VPC_FLOW, inputs, limits):
        if isinstance(event, ObjectEnd):
            ends.append(event)
        else:
            collect(event, records)
    assert [end.object for end in ends] == list(range(len(objects)))
    for end, found in zip(ends, records, strict=True):
        if end.state is ObjectState.LOADED:
            assert (end.rows, end.rows + end.refused) == (sum(isinstance(r, dict) for _, r in found), len(found))
    refused = ObjectState.REFUSED
    return [end.reason if end.state is refused else found for end, found in zip(ends, records, strict=True)]  # type: ignore[misc]


def collect(parsed: Parsed, records: list[list[tuple[int, Any]]]) -> None:
    assert parsed.rows.schema.names == VPC_FLOW.parsed.names
    parsed.rows.validate(full=True)
    rows = parsed.rows.to_pylist()
    for ordinal, line, row in zip(parsed.objects.tolist(), parsed.lines.tolist(), rows, strict=True):
        records[ordinal].append((line, row))
    for one in parsed.refused:
        records[one.object].append((one.line, (one.reason, one.field)))
    for found in records:
        found.sort(key=lambda record: record[0])


def text_fate(text: str | bytes, limits: ParseLimits | None = None) -> Fate:
    """What becomes of one object with this text."""
    return fates([zipped(text)], limits)[0]


def zipped(text: str | bytes) -> bytes:
    return gzip.compress(text if isinstance(text, bytes) else text.encode(), 1)


def parquet(table: pa.Table, **options: Any) -> bytes:
    """The table as AWS writes it: GZIP inside Parquet."""
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="gzip", **options)
    return stream.getvalue()


def reference_fate(data: bytes) -> Fate:
    try:
        return parse_object(data)
    except RefusedWhole as refused:
        return str(refused)
