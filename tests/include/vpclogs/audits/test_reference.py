"""docs/quality.md says what the checks are."""

from __future__ import annotations

from pathlib import Path

from vpclogs.audits.audit import CHECKS
from vpclogs.audits.reference import with_reference

PAGE = Path("docs/quality.md")


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert page == with_reference(page), "run: python -m vpclogs.audits.reference docs/quality.md"


def test_each_check_says_why_and_what_to_do() -> None:
    for check in CHECKS:
        assert all(text.endswith((".", "?")) for text in (check.expects, check.why, check.action)), check.name
