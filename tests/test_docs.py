"""What README and docs promise is there."""

from __future__ import annotations

import re
from pathlib import Path

from airflow.plugins_manager import AirflowPlugin

from vpclogs_plugin import VpcLogsPlugin


def pages(repository: Path) -> list[Path]:
    return [repository / "README.md", *sorted((repository / "docs").rglob("*.md"))]


def test_no_document_mentions_a_ui_page_that_the_plugin_does_not_register(repository: Path) -> None:
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
