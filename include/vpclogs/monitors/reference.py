"""The reference of monitors in docs/quality.md, generated from the monitors.

``python -m vpclogs.monitors.reference docs/quality.md`` updates the page.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vpclogs.monitors.catalogue import MONITORS
from vpclogs.monitors.monitor import Monitor
from vpclogs.monitors.settings import MonitorSettings

__all__ = ["monitors_reference", "with_reference"]

_BEGIN, _END = "<!-- made from the monitors: begin -->", "<!-- made from the monitors: end -->"


def monitors_reference() -> str:
    """Return Markdown: a table of all monitors, then a section for each."""
    table = ["| monitor | severity | settings |", "| --- | --- | --- |"]
    table += [f"| [`{one.name}`](#{one.name}) | {one.severity} | {_settings(one) or 'none'} |" for one in MONITORS]
    return "\n".join([*table, "", *map(_section, MONITORS)])


def with_reference(page: str) -> str:
    """Return the page with its reference replaced."""
    before, rest = page.split(_BEGIN, 1)
    _, after = rest.split(_END, 1)
    return f"{before}{_BEGIN}\n\n{monitors_reference()}\n{_END}{after}"


def _section(monitor: Monitor) -> str:
    settings = f"\n- **Settings:** {settings}" if (settings := _settings(monitor)) else ""
    return (
        f"### {monitor.name}\n\n"
        f"- **Finds:** {monitor.finds}\n"
        f"- **Why:** {monitor.why}\n"
        f"- **At 3 a.m.:** {monitor.action}\n"
        f"- **Severity:** {monitor.severity}{settings}\n"
    )


def _settings(monitor: Monitor) -> str:
    return ", ".join(f"`{name}` {MonitorSettings.model_fields[name].default}" for name in monitor.threshold)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_reference(path.read_text(encoding="utf-8")), encoding="utf-8")
