"""The DAGs as Airflow reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG


@pytest.fixture(scope="session")
def dag_bag(airflow_database: None, repository: Path) -> DagBag:
    """All DAGs of the repository."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(repository / "dags")


@pytest.fixture(scope="session")
def impatient_dags(airflow_database: None, repository: Path) -> dict[str, DAG]:
    """The DAGs by name, to run: their tasks do not wait a minute and try again, which would hide an error."""
    from airflow.dag_processing.dagbag import DagBag

    dags = DagBag(repository / "dags").dags
    for task in [task for dag in dags.values() for task in dag.tasks]:
        if task.is_mapped:
            task.partial_kwargs["retries"] = 0
        else:
            task.retries = 0
    return dags
