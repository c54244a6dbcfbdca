"""What README and docs promise is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from airflow.plugins_manager import AirflowPlugin

from vpclogs.config.settings import Limits, QuerySettings, size_in_bytes
from vpclogs_plugin import VpcLogsPlugin


def pages(repository: Path) -> list[Path]:
    return [repository / "README.md", *sorted((repository / "docs").rglob("*.md"))]


def test_no_document_mentions_a_missing_ui_page(repository: Path) -> None:
    views = ("external_views", "react_apps", "fastapi_apps")
    registered = any(getattr(VpcLogsPlugin, name) != getattr(AirflowPlugin, name) for name in views)
    mention = re.compile(r"\bUI page\b|\b(?:in|on) the page\b|\bbutton in\b")

    mentions = {str(page.relative_to(repository)): mention.findall(page.read_text()) for page in pages(repository)}

    assert registered or not any(mentions.values()), mentions


def test_every_link_to_a_file_of_the_repository_leads_somewhere(repository: Path) -> None:
    links = [
        (page, target)
        for page in pages(repository)
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target
    ]

    broken = [f"{page.relative_to(repository)}: {to}" for page, to in links if not (page.parent / to).exists()]

    assert broken == []


@pytest.mark.parametrize("name", ["guarantees.md", "security.md"])
def test_every_test_that_a_promise_names_exists(repository: Path, name: str) -> None:
    page = (repository / "docs" / name).read_text()
    files = {f"/{path.relative_to(repository)}": path for path in (repository / "tests").rglob("test_*.py")}
    missing = []
    for file, tests in re.findall(r"`([\w/]*test_\w+\.py)`((?:,? `test_\w+`)*)", page):
        found = [path.read_text() for known, path in files.items() if known.endswith(f"/{file}")]
        missing += [file] if len(found) != 1 else []
        missing += [test for test in re.findall(r"test_\w+", tests) if f"def {test}(" not in "".join(found)]

    assert missing == []
    assert f"docs/{name}" in (repository / "README.md").read_text()


def test_limits_on_the_security_page_are_the_defaults(repository: Path) -> None:
    page = (repository / "docs" / "security.md").read_text()
    rows = re.findall(r"`(limits|query)\.(\w+)`[^|]*\| ([\w,. ]+) \|", page)
    models = {"limits": Limits(), "query": QuerySettings()}

    written = {(section, key): int(size_in_bytes(default.replace(",", ""))) for section, key, default in rows}

    assert len(written) == 11
    assert written == {(section, key): getattr(models[section], key) for section, key in written}
