"""Reloads from the page: runs that Airflow's own REST API starts with the login of the user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from fastapi import Request
from starlette.exceptions import HTTPException

from vpclogs.partitions import LogType, Partition
from vpclogs.reloads.partition_runs import reload_run_id
from vpclogs_airflow.page import AIRFLOW
from vpclogs_airflow.page.access import partition_dag

__all__ = ["FollowedRun", "followed_run", "start_reload"]

_ACTIVE = ("queued", "running")


@dataclass(frozen=True, slots=True)
class FollowedRun:
    """A run whose progress the page shows. ``tasks`` maps the states of its tasks to their numbers."""

    dag: str
    id: str
    state: str
    tasks: dict[str, int]

    @property
    def active(self) -> bool:
        return self.state in _ACTIVE


async def start_reload(request: Request, partition: Partition) -> str:
    """Start a run of the partition's DAG and return its id.

    Raises:
        HTTPException: the DAG is paused or not there, or Airflow refuses the run.
    """
    dag = partition_dag(partition.log_type)
    if (await _call(request, "GET", f"dags/{dag}"))["is_paused"]:
        raise HTTPException(409, f"{dag} is paused in Airflow, so the run would wait. Unpause the DAG, then reload.")
    body = {
        "dag_run_id": reload_run_id(partition.key, datetime.now(UTC)),
        "logical_date": None,
        "partition_key": partition.key,
        "note": "reload from the page",
    }
    return str((await _call(request, "POST", f"dags/{dag}/dagRuns", body))["dag_run_id"])


async def followed_run(request: Request, log_type: LogType, run: str | None = None) -> FollowedRun | None:
    """Return the run named in the address, if Airflow still has it."""
    if run is None:
        return None
    dag = partition_dag(log_type)
    path = f"dags/{dag}/dagRuns/{quote(run, safe='')}"
    try:
        state = str((await _call(request, "GET", path))["state"])
        tasks = (await _call(request, "GET", f"{path}/taskInstances?limit=1000"))["task_instances"]
    except HTTPException as error:
        if error.status_code == 404:
            return None
        raise
    states = [str(task["state"] or "waiting") for task in tasks]
    return FollowedRun(dag, run, state, {one: states.count(one) for one in dict.fromkeys(states)})


async def _call(request: Request, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Send a request to Airflow's REST API in this process, with the credentials of the user."""
    token = request.cookies.get(COOKIE_NAME_JWT_TOKEN, "")
    authorization = request.headers.get("authorization") or f"Bearer {token}"
    transport = httpx.ASGITransport(app=request.scope[AIRFLOW])
    async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
        answer = await client.request(method, f"/api/v2/{path}", json=body, headers={"Authorization": authorization})
    if answer.is_error:
        detail = f"Airflow answered {answer.status_code} to {method} {path.partition('?')[0]}."
        raise HTTPException(answer.status_code, detail)
    return answer.json()
