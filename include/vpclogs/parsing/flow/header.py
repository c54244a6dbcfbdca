"""The header of a flow log: the fields of a file, or the reason why it is not a VPC flow log.

A header line applies to the lines after it, up to the next one. A repeated header is not a record; a different header
changes the format from there on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from vpclogs.parsing.model import ObjectState, ObjectUnreadable
from vpclogs.schemas.model import Field
from vpclogs.schemas.vpc_flow import VPC_FLOW

__all__ = ["FlowHeader", "first_header", "is_header", "make_header", "next_header", "shortened"]

_REQUIRED = frozenset(field.key for field in VPC_FLOW.fields if field.required)

# Of transit gateway flow logs only; version 6 of the format.
_TRANSIT_GATEWAY = frozenset(
    [
        "resource-type",
        "tgw-id",
        "tgw-attachment-id",
        "tgw-src-vpc-account-id",
        "tgw-dst-vpc-account-id",
        "tgw-src-vpc-id",
        "tgw-dst-vpc-id",
        "tgw-src-subnet-id",
        "tgw-dst-subnet-id",
        "tgw-src-eni",
        "tgw-dst-eni",
        "tgw-src-az-id",
        "tgw-dst-az-id",
        "tgw-pair-attachment-id",
        "packets-lost-no-route",
        "packets-lost-blackhole",
        "packets-lost-mtu-exceeded",
        "packets-lost-ttl-expired",
    ]
)

_MAX_HEADERS = 64  # per object; each costs a separate read, and AWS never changes one
_MAX_KEPT = 4096  # characters; a line with all of AWS's fields is a fifth of that
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_CLOUDWATCH_CSV = re.compile(rb"\"?@?timestamp\"?\s*,\s*\"?@?message\b", re.IGNORECASE)
_OCSF = frozenset(["activity-id", "category-uid", "class-uid", "metadata", "severity-id", "type-uid"])
_CLOUDWATCH = re.compile(rb"\s*\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*\s")


@dataclass(frozen=True)
class FlowHeader:
    """The names of a file's columns, in its order, all different."""

    names: tuple[str, ...]

    @cached_property
    def text(self) -> str | None:
        """The header line to keep with refused records; None if it is too long to repeat."""
        line = " ".join(self.names)
        return line if len(line) <= _MAX_KEPT else None

    @cached_property
    def fields(self) -> tuple[Field | None, ...]:
        """The field of each column, None where the schema has none."""
        return tuple(VPC_FLOW.by_key.get(name) for name in self.names)

    @cached_property
    def in_schema_order(self) -> tuple[tuple[int, Field], ...]:
        """The index of each column that the schema has, in the schema's order."""
        return tuple((self.names.index(field.key), field) for field in VPC_FLOW.fields if field.key in self.names)

    @cached_property
    def numbers(self) -> frozenset[str]:
        """The names of columns that hold numbers, including times."""
        pairs = zip(self.names, self.fields, strict=True)
        return frozenset(name for name, field in pairs if field is not None and field.type != pa.string())

    @cached_property
    def unknown(self) -> frozenset[str]:
        """The names outside the schema; their values go to ``p_extra``."""
        return frozenset(name for name in self.names if name not in VPC_FLOW.by_key)


def is_header(names: Iterable[str]) -> bool:
    """Return True if a line's values name the required fields, which no record's values do."""
    return _REQUIRED.issubset(names)


def make_header(names: Sequence[str]) -> FlowHeader:
    """Return the header with these column names.

    Raises:
        ObjectUnreadable: they belong to a transit gateway or to OCSF, lack a required field, or repeat one.
    """
    # First, because a transit gateway's log has most fields of a VPC's and would load as one.
    if foreign := sorted(_TRANSIT_GATEWAY.intersection(names)):
        raise _refused("transit_gateway", f"its header has {foreign[0]}, which only transit gateway flow logs have")
    if len(_OCSF.intersection(names)) > len(_OCSF) // 2:
        raise _refused("ocsf", "its columns are those of OCSF, the schema of Amazon Security Lake")
    if missing := [field.key for field in VPC_FLOW.fields if field.key in _REQUIRED.difference(names)]:
        raise _refused("header_missing_required", f"its header lacks {', '.join(missing)}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise _refused("header_duplicate", f"its header has {shortened(twice[0])} twice")
    return FlowHeader(tuple(names))


def first_header(line: bytes) -> FlowHeader:
    """Return the header that starts a text file.

    Raises:
        ObjectUnreadable: the line is not the header of a VPC flow log that can load.
    """
    # Before the header is judged: these files are common under a wrong prefix, and deserve their own advice.
    if line.lstrip().startswith((b"{", b"[")):
        raise _refused("json_in_flow", "it begins with JSON; flow logs are text with a header line, or Parquet")
    if _CLOUDWATCH_CSV.match(line):
        raise _refused("cloudwatch_export", "it is a table of timestamp and message, as CloudWatch Logs exports it")
    if _CLOUDWATCH.match(line):
        raise _refused("cloudwatch_export", "its lines begin with a time, as CloudWatch Logs exports them")
    names = [value.decode("utf-8", "replace") for value in line.split()]
    known = any(name in VPC_FLOW.by_key or name in _TRANSIT_GATEWAY for name in names)
    if b"\0" in line or not (is_header(names) or (known and all(map(_NAME.fullmatch, names)))):
        raise _refused("no_header", f"its first line does not name fields: {shortened(' '.join(names))}")
    return make_header(names)


def next_header(names: Sequence[str], different: int) -> FlowHeader:
    """Return the header of a later line of an object that had ``different`` distinct ones already.

    Raises:
        ObjectUnreadable: as `make_header`, or the limit of headers is exceeded.
    """
    if different > _MAX_HEADERS:
        raise _refused("header_changes", f"its header changes to more than {_MAX_HEADERS} other ones")
    return make_header(names)


def shortened(text: str, limit: int = 80) -> str:
    """Return the text in quotes for a message, truncated if it is long."""
    return repr(text if len(text) <= limit else text[:limit] + "…")


def _refused(reason: str, detail: str) -> ObjectUnreadable:
    return ObjectUnreadable(ObjectState.REFUSED, reason, detail)
