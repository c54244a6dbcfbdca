"""A throw-away Airflow for the tests: its home is set before anything can import Airflow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.environment import FOLDER

REPOSITORY = Path(__file__).parents[1]
HOME = FOLDER / "airflow"

os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(REPOSITORY / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(REPOSITORY / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{HOME}/airflow.db",
)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """An empty metadata database, which `dag.test()` needs."""
    from airflow.utils.db import initdb

    initdb()
