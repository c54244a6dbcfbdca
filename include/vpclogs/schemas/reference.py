"""The generated parts of docs/schemas.md, from the field tables and reason codes.

``python -m vpclogs.schemas.reference docs/schemas.md`` updates the page.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from vpclogs.partitions import LogType
from vpclogs.reasons import REASONS, Scope
from vpclogs.schemas import schema_for
from vpclogs.schemas.model import TIMESTAMP, Field, Indicator
from vpclogs.schemas.tables import LINEAGE, QUARANTINE_FIELDS

__all__ = ["with_reference"]

_PART = re.compile(r"(<!-- made from the code: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_DERIVED = {
    "p_event_time": "When it happened: `query_timestamp` of a DNS query, `start` of a flow.",
    Indicator.IP: "IP addresses in the record.",
    Indicator.DOMAIN: "Domain names in the record.",
    Indicator.ACCOUNT: "AWS accounts in the record.",
    Indicator.INSTANCE: "EC2 instances in the record.",
    "p_extra": "Fields that the schema does not have, by name: JSON text for DNS, the text as it stands for flow.",
}


def with_reference(page: str) -> str:
    """Return the page with its generated parts replaced."""
    return _PART.sub(lambda part: f"{part[1]}\n{_PARTS[part[2]]()}\n\n{part[3]}", page)


def _dns() -> str:
    header = ["column", "type", "required", "indicator", "description"]
    return _table(header, _dns_rows(schema_for(LogType.VPC_DNS).fields))


def _dns_rows(fields: Iterable[Field], outer: str = "") -> Iterable[list[str]]:
    for field in fields:
        spellings = f" Also spelled {_code(*field.aliases)}." if field.aliases else ""
        yield [_code(outer + field.name), _type(field.type), _yes(field), _indicator(field), _about(field) + spellings]
        yield from _dns_rows(field.fields, f"{field.name}[]." if pa.types.is_list(field.type) else f"{field.name}.")


def _flow() -> str:
    header = ["column", "in text", "in Parquet", "since", "type", "required", "indicator", "description"]
    return _table(header, map(_flow_row, schema_for(LogType.VPC_FLOW).fields))


def _flow_row(field: Field) -> list[str]:
    names = [_code(field.name), _code(field.key), _code(field.parquet), str(field.since)]
    return [*names, _type(field.type), _yes(field), _indicator(field), _about(field)]


def _added() -> str:
    parsed = schema_for(LogType.VPC_DNS).parsed
    rows = [[_code(name), _type(parsed.field(name).type), text] for name, text in _DERIVED.items()]
    return _table(["column", "type", "description"], [*rows, *map(_plain_row, LINEAGE)])


def _quarantine() -> str:
    return _table(["column", "type", "description"], map(_plain_row, QUARANTINE_FIELDS))


def _plain_row(field: Field) -> list[str]:
    return [_code(field.name), _type(field.type), field.description]


def _reasons() -> str:
    parts = []
    for scope, title in ((Scope.RECORD, "Of one record"), (Scope.OBJECT, "Of a whole object")):
        reasons = [reason for reason in REASONS.values() if reason.scope is scope]
        rows = [[_code(reason.code), reason.meaning, reason.action] for reason in reasons]
        parts += [f"### {title}", _table(["reason", "meaning", "what to do"], rows)]
    return "\n\n".join(parts)


def _about(field: Field) -> str:
    """Return the description with the documented values. Others load too."""
    return f"{field.description} Documented: {_code(*sorted(field.values))}." if field.values else field.description


def _indicator(field: Field) -> str:
    return _code(field.indicator) if field.indicator else ""


def _yes(field: Field) -> str:
    return "yes" if field.required else ""


def _code(*names: str) -> str:
    return ", ".join(f"`{name}`" for name in names if name)


def _type(kind: pa.DataType) -> str:
    if kind == TIMESTAMP:
        return "timestamp (UTC)"
    if pa.types.is_list(kind):
        return f"list of {_type(kind.value_type)}"
    if pa.types.is_map(kind):
        return "map"
    return "struct" if pa.types.is_struct(kind) else _NAMES.get(str(kind), str(kind))


_NAMES = {"int64": "bigint", "int32": "int", "int16": "smallint", "date32[day]": "date", "bool": "boolean"}


def _table(header: list[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_PARTS = {"vpc_dns": _dns, "vpc_flow": _flow, "added": _added, "quarantine": _quarantine, "reasons": _reasons}


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_reference(path.read_text(encoding="utf-8")), encoding="utf-8")
