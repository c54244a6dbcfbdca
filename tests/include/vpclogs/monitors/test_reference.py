"""docs/quality.md says what the monitors are."""

from __future__ import annotations

from pathlib import Path

from vpclogs.monitors.catalogue import MONITORS
from vpclogs.monitors.reference import with_reference

PAGE = Path("docs/quality.md")


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert page == with_reference(page), "run: python -m vpclogs.monitors.reference docs/quality.md"


def test_each_monitor_says_what_it_finds_why_and_what_to_do() -> None:
    for monitor in MONITORS:
        assert all(text.endswith((".", "?")) for text in (monitor.finds, monitor.why, monitor.action)), monitor.name
