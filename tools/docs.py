"""The generated parts of the reference pages: checks, monitors, DAGs, schemas and reason codes.

``make docs`` updates the pages. Each part is in its page between ``<!-- generated: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa

from vpclogs.audits.audit import CHECKS
from vpclogs.audits.check import Check
from vpclogs.config.audit_thresholds import AuditThresholds
from vpclogs.config.monitor_settings import MonitorSettings
from vpclogs.monitors.catalogue import MONITORS
from vpclogs.monitors.monitor import Monitor
from vpclogs.partitions import LogType
from vpclogs.reasons import REASONS, Scope
from vpclogs.schemas import schema_for
from vpclogs.schemas.model import TIMESTAMP, Field, Indicator
from vpclogs.schemas.tables import LINEAGE, QUARANTINE_FIELDS

__all__ = ["PAGES", "updated"]

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ("dags", "quality", "schemas")
"""The pages in docs/ that have generated parts."""

_PART: Final = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_DERIVED = {
    "p_event_time": "When it happened: `query_timestamp` of a DNS query, `start` of a flow.",
    Indicator.IP: "IP addresses in the record.",
    Indicator.DOMAIN: "Domain names in the record.",
    Indicator.ACCOUNT: "AWS accounts in the record.",
    Indicator.INSTANCE: "EC2 instances in the record.",
    "p_extra": "Fields that the schema does not have, by name: JSON text for DNS, the text as it stands for flow.",
}


def updated(page: str) -> str:
    """Return the text of a page with its generated parts replaced.

    Raises:
        KeyError: the page names a part that does not exist.
    """
    return _PART.sub(lambda part: f"{part[1]}\n{_PARTS[part[2]]()}\n\n{part[3]}", page)


def _dags() -> str:
    """Return a section per DAG file, with the documentation that Airflow shows."""
    return "\n\n".join(_dag(file) for file in sorted((ROOT / "dags").glob("*.py")))


def _dag(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    title, _, text = docstring.partition("\n")
    return f"### {file.stem}: {title.removeprefix('### ')}\n{text}"


def _checks() -> str:
    rows = [[f"[`{one.name}`](#{one.name})", one.severity, _thresholds(one) or "none"] for one in CHECKS]
    table = _table(["check", "severity", "thresholds"], rows)
    return "\n\n".join(
        [table, *(_section(one, "Expected", one.expects, "Thresholds", _thresholds(one)) for one in CHECKS)]
    )


def _monitors() -> str:
    rows = [[f"[`{one.name}`](#{one.name})", one.severity, _settings(one) or "none"] for one in MONITORS]
    sections = (_section(one, "Finds", one.finds, "Settings", _settings(one)) for one in MONITORS)
    return "\n\n".join([_table(["monitor", "severity", "settings"], rows), *sections])


def _section(one: Check | Monitor, label: str, text: str, limits: str, values: str) -> str:
    lines = [f"- **{label}:** {text}", f"- **Why:** {one.why}", f"- **At 3 a.m.:** {one.action}"]
    lines += [f"- **Severity:** {one.severity}", *([f"- **{limits}:** {values}"] if values else [])]
    return f"### {one.name}\n\n" + "\n".join(lines)


def _thresholds(check: Check) -> str:
    return ", ".join(f"`{name}` {AuditThresholds.model_fields[name].default}" for name in check.threshold)


def _settings(monitor: Monitor) -> str:
    return ", ".join(f"`{name}` {MonitorSettings.model_fields[name].default}" for name in monitor.threshold)


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


_PARTS: Final[dict[str, Callable[[], str]]] = {
    "added": _added,
    "checks": _checks,
    "dags": _dags,
    "monitors": _monitors,
    "quarantine": _quarantine,
    "reasons": _reasons,
    "vpc_dns": _dns,
    "vpc_flow": _flow,
}


if __name__ == "__main__":
    for name in PAGES:
        path = ROOT / "docs" / f"{name}.md"
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
