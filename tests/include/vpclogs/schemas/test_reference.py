"""docs/schemas.md says what the schemas are."""

from __future__ import annotations

from pathlib import Path

from vpclogs.schemas.reference import with_reference

PAGE = Path("docs/schemas.md")


def test_the_page_is_current():
    page = PAGE.read_text(encoding="utf-8")

    assert page == with_reference(page), "run: python -m vpclogs.schemas.reference docs/schemas.md"


def test_the_page_has_every_part():
    page = PAGE.read_text(encoding="utf-8")

    for name in ("vpc_dns", "vpc_flow", "added", "quarantine", "reasons"):
        assert f"<!-- made from the code: {name} -->" in page
