"""The few calls of Airflow's REST API that the demo makes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import httpx

from demo.options import DemoError
from vpclogs.config.settings import AirflowSettings
from vpclogs.errors import VpcLogsError
from vpclogs.reloads.airflow_api import AirflowClient

__all__ = ["AirflowApi"]


class AirflowApi:
    """One Airflow's REST API for one user. ``url`` is the address of the UI, without a slash at the end."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        # A proxy of the environment cannot reach the loopback address.
        self._client = AirflowClient(AirflowSettings(url=url, username=user, password=password), proxies=False)

    def health(self) -> dict[str, str]:
        """Return the status of each component (healthy, unhealthy or unknown), or nothing if no server answers."""
        try:
            answer = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5, trust_env=False)
            parts = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return {}
        return {name: part["status"] or "unknown" for name, part in parts.items()}

    def get(self, path: str, **query: object) -> dict[str, Any]:
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", path, body)

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("PATCH", path, body)

    def dags(self) -> dict[str, bool]:
        """Return the DAGs that Airflow has parsed, with True for those that are paused."""
        return {dag["dag_id"]: dag["is_paused"] for dag in self.get("dags", limit=100)["dags"]}

    def import_errors(self) -> list[str]:
        return [f"{one['filename']}:\n{one['stack_trace']}" for one in self.get("importErrors")["import_errors"]]

    def unpause(self, dag: str) -> None:
        self.patch(f"dags/{dag}", {"is_paused": False})

    def make_pool(self, name: str, *, slots: int) -> None:
        """Make the pool unless it is there."""
        if name not in (pool["name"] for pool in self.get("pools", limit=100)["pools"]):
            self.post("pools", {"name": name, "slots": slots, "description": "Tasks that read S3"})

    def trigger(self, dag: str) -> str:
        """Start a run by hand, which has no data interval. Returns its id."""
        run_id: str = self.post(f"dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"]
        return run_id

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """The latest runs, newest first."""
        runs: list[dict[str, Any]] = self.get(f"dags/{dag}/dagRuns", limit=50, order_by="-run_after")["dag_runs"]
        return runs

    def give_up(self, dag: str, run_id: str, note: str) -> None:
        """Mark a run as failed, regardless of its tasks."""
        self.patch(f"dags/{dag}/dagRuns/{quote(run_id, safe='')}", {"state": "failed", "note": note})

    def run(self, dag: str, run_id: str) -> dict[str, Any]:
        return self.get(f"dags/{dag}/dagRuns/{quote(run_id, safe='')}")

    def task_instances(self, dag: str, run_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self.get(f"dags/{dag}/dagRuns/{quote(run_id, safe='')}/taskInstances", limit=100, offset=len(found))
            found += page["task_instances"]
            if len(found) >= page["total_entries"]:
                return found

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._client.call(method, path, body)
        except VpcLogsError as error:
            raise DemoError(f"{method} {path}: {error}") from error
        return answer
