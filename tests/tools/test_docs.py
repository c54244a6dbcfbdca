"""The generated parts of the reference pages are up to date."""

from __future__ import annotations

import pytest

from tools.docs import PAGES, updated
from vpclogs.audits.audit import CHECKS
from vpclogs.audits.check import Check
from vpclogs.monitors.catalogue import MONITORS


@pytest.mark.parametrize("name", PAGES)
def test_reference_page_is_up_to_date(name, repository):
    page = (repository / "docs" / f"{name}.md").read_text(encoding="utf-8")

    assert page == updated(page), "run: make docs"


def test_generated_parts_are_in_the_listed_pages_only(repository):
    marked = {page.stem for page in (repository / "docs").glob("*.md") if "<!-- generated: " in page.read_text()}

    assert marked == set(PAGES)


def test_stale_part_is_replaced_and_the_rest_is_kept():
    page = "before\n<!-- generated: reasons -->\nof another release\n<!-- end -->\nafter\n"

    made = updated(page)

    assert made.startswith("before\n<!-- generated: reasons -->\n\n### ")
    assert made.endswith("\n<!-- end -->\nafter\n")
    assert "of another release" not in made


@pytest.mark.parametrize("rule", [*CHECKS, *MONITORS], ids=lambda rule: rule.name)
def test_each_check_and_monitor_is_described_in_sentences(rule):
    subject = rule.expects if isinstance(rule, Check) else rule.finds

    assert all(text.endswith((".", "?")) for text in (subject, rule.why, rule.action))
