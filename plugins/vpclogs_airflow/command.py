"""Clients of Airflow's connections for the command `vpclogs`, without Airflow's log output on the terminal."""

from __future__ import annotations

import os

# Read when Airflow is first imported. Errors are raised, and the command reports them itself.
os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")

from vpclogs_airflow.clients import client_for

__all__ = ["client_for"]
