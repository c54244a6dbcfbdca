"""The reference of DAGs in docs/dags.md, from the DAG files' docstrings.

``python -m vpclogs_airflow.reference dags docs/dags.md`` updates the page.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

__all__ = ["dags_reference", "with_reference"]

_BEGIN, _END = "<!-- made from the DAG files: begin -->", "<!-- made from the DAG files: end -->"


def dags_reference(folder: Path) -> str:
    """Return Markdown: a section per DAG file of `folder`, with the documentation that Airflow shows."""
    return "\n\n".join(_section(file) for file in sorted(folder.glob("*.py")))


def with_reference(page: str, folder: Path) -> str:
    """Return the page with its reference replaced."""
    before, rest = page.split(_BEGIN, 1)
    _, after = rest.split(_END, 1)
    return f"{before}{_BEGIN}\n\n{dags_reference(folder)}\n\n{_END}{after}"


def _section(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    title, _, text = docstring.partition("\n")
    return f"### {file.stem}: {title.removeprefix('### ')}\n{text}"


if __name__ == "__main__":
    dags, page = map(Path, sys.argv[1:])
    page.write_text(with_reference(page.read_text(encoding="utf-8"), dags), encoding="utf-8")
