"""The entry point that Airflow loads from this folder. The code is in `vpclogs_airflow`."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class VpcLogsPlugin(AirflowPlugin):
    """Registers the product in Airflow's list of plugins."""

    name = "vpclogs"
