"""What Airflow loads from this folder: the entry, nothing else. The code is in `vpclogs_airflow`."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class VpcLogsPlugin(AirflowPlugin):
    """Names the product in Airflow's list of plugins."""

    name = "vpclogs"
