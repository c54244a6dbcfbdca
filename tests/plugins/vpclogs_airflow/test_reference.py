"""docs/dags.md says what the DAG files say."""

from __future__ import annotations

from pathlib import Path

from vpclogs_airflow.reference import with_reference


def test_the_page_is_current(repository: Path) -> None:
    page = (repository / "docs" / "dags.md").read_text(encoding="utf-8")

    wanted = with_reference(page, repository / "dags")

    assert page == wanted, "run: python -m vpclogs_airflow.reference dags docs/dags.md"


def test_a_new_dag_file_is_a_new_section(tmp_path: Path) -> None:
    (tmp_path / "a_new_one.py").write_text('"""\n### Something new\n\nWhat it does.\n"""\n')
    page = "intro\n<!-- made from the DAG files: begin -->\nold\n<!-- made from the DAG files: end -->\nend\n"

    made = with_reference(page, tmp_path)

    assert "### a_new_one: Something new\n\nWhat it does." in made
    assert "old" not in made
    assert made.startswith("intro\n")
    assert made.endswith("\nend\n")
