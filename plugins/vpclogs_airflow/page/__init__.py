"""The page in Airflow's UI: partitions by account, region and day, and a button that reloads one.

Airflow imports plugins in every process, also in each task, so this module imports nothing; the page is built when
the API server gets its first request for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

__all__ = ["AIRFLOW", "PREFIX", "VIEWS", "page"]

PREFIX = "/vpclogs"
"""The path of the page, below that of Airflow."""

AIRFLOW = "vpclogs.airflow"
"""The key of Airflow's own application in the scope of a request."""

VIEWS = [
    {"name": "VPC logs", "href": f"{PREFIX}/", "destination": "nav", "url_route": "vpclogs", "category": "browse"},
    {"name": "VPC logs", "href": f"{PREFIX}/dag/{{DAG_ID}}", "destination": "dag", "url_route": "vpclogs-dag"},
    {
        "name": "VPC logs",
        "href": f"{PREFIX}/dag/{{DAG_ID}}/run/{{RUN_ID}}",
        "destination": "dag_run",
        "url_route": "vpclogs-run",
    },
    {
        "name": "VPC logs",
        "href": f"{PREFIX}/dag/{{DAG_ID}}/run/{{RUN_ID}}/{{TASK_ID}}/{{MAP_INDEX}}",
        "destination": "task_instance",
        "url_route": "vpclogs-batch",
    },
]
"""The tabs and the menu entry that show the page inside Airflow."""

Scope = MutableMapping[str, Any]


async def page(scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """Serve a request. An import that fails raises, so nothing is ever served without Airflow's permissions."""
    # In a mounted application `app` is still Airflow's; the page starts reloads through it, as the user.
    await _application()({**scope, AIRFLOW: scope["app"]}, receive, send)


@lru_cache(maxsize=1)
def _application() -> Any:
    from vpclogs_airflow.page.app import make_app

    return make_app()
