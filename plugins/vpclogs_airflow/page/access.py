"""Who may see and do what: Airflow's own permissions on the DAGs of each log."""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.configuration import conf
from fastapi import Request
from starlette.exceptions import HTTPException

from vpclogs.partitions import LogType

__all__ = ["may_acknowledge", "may_read", "may_reload", "partition_dag", "readable", "same_origin"]


def partition_dag(log_type: LogType) -> str:
    """Return the id of the DAG that reloads partitions of a log."""
    return f"{log_type.value}_partition"


def readable(user: GetUserDep) -> list[LogType]:
    """Return the logs whose hourly DAG the user may see."""
    manager = get_auth_manager()
    return [
        log_type
        for log_type in LogType
        if manager.is_authorized_dag(method="GET", details=DagDetails(id=f"{log_type.value}_hourly"), user=user)
    ]


def may_read(request: Request, user: GetUserDep, log_type: LogType) -> None:
    """Raise 403 unless the user may see the hourly DAG of the log."""
    requires_access_dag("GET", param_dag_id=f"{log_type.value}_hourly")(request, user)


def may_reload(request: Request, user: GetUserDep, log_type: LogType) -> None:
    """Raise 403 unless the user may see the log and start runs of its partition DAG."""
    may_read(request, user, log_type)
    requires_access_dag("POST", DagAccessEntity.RUN, partition_dag(log_type))(request, user)


def may_acknowledge(request: Request, user: GetUserDep) -> None:
    """Raise 403 unless the user may start the monitors, whose alerts these are."""
    requires_access_dag("POST", DagAccessEntity.RUN, "vpclogs_monitors")(request, user)


def same_origin(request: Request) -> None:
    """Raise 403 unless the request comes from a page of this Airflow.

    Browsers send `Origin` with every POST, and no other site can set it. A request without one does not come from a
    form of the page.
    """
    sent = urlsplit(request.headers.get("origin", "")).netloc
    own = {request.headers.get("host"), urlsplit(conf.get("api", "base_url", fallback="") or "").netloc}
    if not sent or sent not in own:
        raise HTTPException(403)
