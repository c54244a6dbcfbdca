"""The entry point that Airflow loads from this folder. The code is in `vpclogs_airflow`."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from vpclogs_airflow.page import PREFIX, VIEWS, page


class VpcLogsPlugin(AirflowPlugin):
    """Adds the page to Airflow's UI."""

    name = "vpclogs"
    fastapi_apps = [{"app": page, "url_prefix": PREFIX, "name": "VPC logs"}]  # noqa: RUF012 - Airflow reads lists
    external_views = VIEWS
