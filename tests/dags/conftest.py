"""The DAGs as Airflow reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag


@pytest.fixture(scope="session")
def dag_bag(airflow_database: None, repository: Path) -> DagBag:
    """All DAGs of the repository."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(repository / "dags")
