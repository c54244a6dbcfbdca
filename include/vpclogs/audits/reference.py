"""The reference of checks in docs/quality.md, generated from the checks.

``python -m vpclogs.audits.reference docs/quality.md`` updates the page.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vpclogs.audits.audit import CHECKS
from vpclogs.audits.check import Check
from vpclogs.audits.thresholds import AuditThresholds

__all__ = ["checks_reference", "with_reference"]

_BEGIN, _END = "<!-- made from the checks: begin -->", "<!-- made from the checks: end -->"


def checks_reference() -> str:
    """Return Markdown: a table of all checks, then a section for each."""
    table = ["| check | severity | thresholds |", "| --- | --- | --- |"]
    table += [
        f"| [`{check.name}`](#{check.name}) | {check.severity} | {_thresholds(check) or 'none'} |" for check in CHECKS
    ]
    return "\n".join([*table, "", *map(_section, CHECKS)])


def with_reference(page: str) -> str:
    """Return the page with its reference replaced."""
    before, rest = page.split(_BEGIN, 1)
    _, after = rest.split(_END, 1)
    return f"{before}{_BEGIN}\n\n{checks_reference()}\n{_END}{after}"


def _section(check: Check) -> str:
    limits = f"\n- **Thresholds:** {limits}" if (limits := _thresholds(check)) else ""
    return (
        f"### {check.name}\n\n"
        f"- **Expected:** {check.expects}\n"
        f"- **Why:** {check.why}\n"
        f"- **At 3 a.m.:** {check.action}\n"
        f"- **Severity:** {check.severity}{limits}\n"
    )


def _thresholds(check: Check) -> str:
    return ", ".join(f"`{name}` {AuditThresholds.model_fields[name].default}" for name in check.threshold)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_reference(path.read_text(encoding="utf-8")), encoding="utf-8")
