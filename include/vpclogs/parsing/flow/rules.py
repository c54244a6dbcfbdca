"""The schema's rules for one record of a flow log, read value by value.

This is the authority on refusals. Columns are checked a block at a time (`vpclogs.parsing.flow.columns`) by the same
rules; only records that those checks flag come here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from vpclogs.identifiers import ACCOUNT
from vpclogs.parsing.flow.header import FlowHeader, shortened
from vpclogs.schemas.model import TIMESTAMP, Field, Indicator

__all__ = ["LATEST_SECOND", "REGION", "Violation", "is_account", "is_null", "judge", "judge_value", "largest"]

LATEST_SECOND = 2_147_483_647
"""A larger time is in milliseconds, which AWS also writes, contrary to its documentation."""

REGION = "region"

_LATEST_MILLISECOND = 253_402_300_799_999  # the end of the year 9999
_MAX_PORT = 65_535
_PORTS = frozenset({"srcPort", "dstPort"})
_DIGITS = re.compile(r"[0-9]+")
_ACCOUNT = re.compile(ACCOUNT)


@dataclass(frozen=True, slots=True)
class Violation:
    """The reason to refuse a record: a code of `vpclogs.reasons`, the field, a sentence."""

    reason: str
    field: str | None
    detail: str


def judge(header: FlowHeader, values: Sequence[str | None], region: str | None = None) -> Violation | None:
    """Return the reason to refuse the record with these values, or None.

    The number of values comes first, then the fields in the order of the schema, then a region
    other than ``region``, which is the object's.
    """
    if len(values) != len(header.names):
        reason = "too_few_values" if len(values) < len(header.names) else "too_many_values"
        return Violation(reason, None, f"{len(values)} values under a header of {len(header.names)}")
    for place, field in header.in_schema_order:
        if verdict := judge_value(field, values[place]):
            return verdict
    if region is None or REGION not in header.names:
        return None
    named = values[header.names.index(REGION)]
    if named is None or named in ("-", region):
        return None
    return Violation("foreign_region", REGION, f"{REGION} is {shortened(named)}, but its object is of {region}")


def is_null(field: Field | None, value: str | None) -> bool:
    """Return True for a missing value: ``-``, or an account that AWS calls unknown."""
    return value is None or value == "-" or (value == "unknown" and is_account(field))


def largest(field: Field) -> int:
    """Return the largest number that a field can have; for a time, in milliseconds."""
    if field.type == TIMESTAMP:
        return _LATEST_MILLISECOND
    return _MAX_PORT if field.name in _PORTS else int(2 ** (field.type.bit_width - 1) - 1)


def judge_value(field: Field, value: str | None) -> Violation | None:
    """Return the reason why the field cannot have this value, or None."""
    if value is None or is_null(field, value):
        return Violation("missing_field", field.name, f"{field.name} has no value") if field.required else None
    if field.type == pa.string():
        if is_account(field) and not _ACCOUNT.fullmatch(value):
            return Violation("bad_account", field.name, f"{field.name} is {shortened(value)}, not 12 digits")
        return None
    digits = value.lstrip("0") or "0"  # a number with a thousand digits is not worth converting
    if _DIGITS.fullmatch(value) and len(digits) < 20 and int(digits) <= largest(field):
        return None
    return _bad_number(field, shortened(value))


def _bad_number(field: Field, value: str) -> Violation:
    if field.type == TIMESTAMP:
        detail = f"{field.name} is {value}, not seconds or milliseconds since 1970"
        return Violation("bad_timestamp", field.name, detail)
    reason = "bad_port" if field.name in _PORTS else "bad_integer"
    return Violation(reason, field.name, f"{field.name} is {value}, not a number from 0 to {largest(field)}")


def is_account(field: Field | None) -> bool:
    """Return True for an account field: exactly 12 digits, kept as text."""
    return field is not None and field.indicator is Indicator.ACCOUNT
