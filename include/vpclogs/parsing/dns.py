"""DNS query logs: blocks of JSON lines to rows."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vpclogs.indicators import SCANNERS, answer
from vpclogs.parsing.blocks import Block, BlockResult
from vpclogs.parsing.dns_records import DnsRecord, MajorVersion, read_record
from vpclogs.parsing.model import ObjectState, ObjectUnreadable, ParseLimits, Refused
from vpclogs.parsing.strict_json import BadRecord
from vpclogs.schemas.model import Indicator
from vpclogs.schemas.vpc_dns import VPC_DNS

__all__ = ["DnsParser"]

_BLANK = b" \t\r"


class DnsParser:
    """Parses DNS query logs. Keeps no state between blocks."""

    def __init__(self, limits: ParseLimits) -> None:
        self._limits = limits

    def parse(self, block: Block) -> BlockResult:
        """Judge every line. A line of blanks is no record."""
        records: list[DnsRecord] = []
        indexes: list[int] = []
        refused: list[Refused] = []
        unreadable: dict[int, ObjectUnreadable] = {}
        for index in range(len(block.line_ends)):
            line = block.line(index)
            if not line.strip(_BLANK):
                continue
            try:
                records.append(read_record(line))
                indexes.append(index)
            except BadRecord as bad:
                refused.append(block.refuse(index, bad.reason, bad.field, bad.detail, self._limits))
            except MajorVersion as other:
                ordinal = int(block.line_objects[index])
                detail = f"line {block.line_numbers[index]} is of version {other.version}; this release reads 1.x"
                unreadable.setdefault(ordinal, ObjectUnreadable(ObjectState.REFUSED, "version_major", detail))
        objects = block.line_objects[indexes]
        return BlockResult(
            rows=_table(records),
            objects=objects,
            lines=block.line_numbers[indexes],
            refused=refused,
            unreadable=unreadable,
            versions=_by_object(objects, [{record.values["version"]} for record in records]),
            unknown_fields=_by_object(objects, [set(record.extra) for record in records]),
        )


def _by_object(objects: npt.NDArray[np.int32], names: list[set[str]]) -> dict[int, frozenset[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for ordinal, some in zip(objects, names, strict=True):
        found[int(ordinal)] |= some
    return {ordinal: frozenset(some) for ordinal, some in found.items()}


def _table(records: list[DnsRecord]) -> pa.Table:
    columns: dict[str, list[Any]] = {name: [] for name in VPC_DNS.parsed.names}
    for record in records:
        for name, value in record.values.items():
            columns[name].append(value)
        columns["p_event_time"].append(record.values[VPC_DNS.event_time])
        found = _indicators(record.values)
        for indicator in Indicator:
            columns[indicator].append(sorted(found[indicator]) or None)
        columns["p_extra"].append(list(record.extra.items()) or None)
    return pa.table(columns, VPC_DNS.parsed)


def _indicators(values: dict[str, Any]) -> dict[Indicator, set[str]]:
    found: dict[Indicator, set[str]] = defaultdict(set)
    marked = [(f, values[f.name]) for f in VPC_DNS.fields]
    marked += [(f, values["srcids"][f.name]) for f in VPC_DNS.by_key["srcids"].fields]
    for field, text in marked:
        if field.indicator and text is not None and (value := SCANNERS[field.indicator](text)):
            found[field.indicator].add(value)
    for one in values["answers"]:
        if hit := answer(one["Type"], one["Rdata"]):
            found[hit[0]].add(hit[1])
    return found
