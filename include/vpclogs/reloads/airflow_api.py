"""The calls of Airflow's REST API that start and follow the runs of partitions."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from vpclogs.errors import VpcLogsError
from vpclogs.redaction import remember

if TYPE_CHECKING:
    from vpclogs.config.settings import AirflowSettings

__all__ = ["ACTIVE", "AirflowApi", "AirflowRefused", "AirflowUnavailable", "DagRun"]

ACTIVE = ("queued", "running")
"""States of a run that has not ended."""

_TIMEOUT_SECONDS = 60
_PAGE = 100


class AirflowRefused(VpcLogsError):
    """Raised when Airflow refuses a request."""


class AirflowUnavailable(VpcLogsError):
    """Raised when Airflow does not answer, or is not available."""

    transient = True


@dataclass(frozen=True, slots=True)
class DagRun:
    """One run. ``key`` is its partition key; ``url`` its page in the UI."""

    id: str
    key: str
    state: str
    url: str


class AirflowApi:
    """One Airflow, as the user or with the token of the settings. Logs in when it must."""

    def __init__(self, settings: AirflowSettings) -> None:
        self._settings = settings
        self._ui = settings.url.rstrip("/")
        self._url = (settings.api_url or settings.url).rstrip("/")
        self._key = "airflow.api_url" if settings.api_url else "airflow.url"
        self._token = settings.token or ""

    def start(self, dag: str, key: str, *, run_id: str, note: str) -> DagRun:
        """Start a run for a partition key, with an id that the DAG has no run of yet.

        Raises:
            AirflowRefused: Airflow does not know the DAG, or does not let this user start it.
            AirflowUnavailable: Airflow cannot be reached now; the run may have been started all the same.
        """
        body = {"dag_run_id": run_id, "logical_date": None, "partition_key": key, "note": note}
        return self._run(dag, self._call("POST", f"dags/{dag}/dagRuns", body))

    def get(self, dag: str, run: str) -> DagRun:
        """A run as it is now. Raises as `start`."""
        return self._run(dag, self._call("GET", f"dags/{dag}/dagRuns/{quote(run, safe='')}"))

    def active(self, dag: str) -> list[DagRun]:
        """The runs that have not ended, the oldest first. Raises as `start`."""
        found: list[DagRun] = []
        while True:
            query = [("state", state) for state in ACTIVE]
            query += [("limit", str(_PAGE)), ("offset", str(len(found))), ("order_by", "id")]
            page: Sequence[Any] = self._call("GET", f"dags/{dag}/dagRuns?{urlencode(query)}")["dag_runs"]
            found += [self._run(dag, one) for one in page]
            if len(page) < _PAGE:
                return found

    def require_running(self, dag: str) -> None:
        """See that the DAG is there and not paused.

        Raises:
            AirflowRefused: it is not, or it is.
        """
        if self._call("GET", f"dags/{dag}")["is_paused"]:
            raise AirflowRefused(f"{dag} is paused in Airflow, so runs would wait: switch it on, then run this again")

    def _run(self, dag: str, answer: Mapping[str, Any]) -> DagRun:
        run = str(answer["dag_run_id"])
        url = f"{self._ui}/dags/{dag}/runs/{quote(run, safe='')}"
        return DagRun(run, str(answer.get("partition_key") or ""), str(answer["state"]), url)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        fresh = not self._token
        if fresh:
            self._log_in()
        try:
            return self._send(method, f"/api/v2/{path}", body)
        except urllib.error.HTTPError as error:
            if error.code == 401 and not fresh and self._settings.token is None:  # the login has run out
                self._token = ""
                return self._call(method, path, body)
            raise self._explained(error, path) from error

    def _log_in(self) -> None:
        login = {"username": self._settings.username, "password": self._settings.password}
        try:
            self._token = self._send("POST", "/auth/token", login)["access_token"]
            remember([self._token])
        except urllib.error.HTTPError as error:
            if error.code in (404, 405):
                raise AirflowRefused(
                    f"Airflow at {self._url} does not exchange passwords for tokens, because its auth manager has no "
                    f"/auth/token: set VPCLOGS_AIRFLOW_TOKEN to a token"
                ) from error
            raise self._explained(error, "auth/token") from error

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310 - http(s) only
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except ValueError as error:
            raise AirflowRefused(f"{self._url}{path} does not respond like Airflow: check {self._key}") from error
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            what = "no answer in time" if isinstance(reason, socket.timeout) else reason
            raise AirflowUnavailable(
                f"Airflow at {self._url} cannot be reached ({what}): check {self._key}, and that its API server runs"
            ) from error

    def _explained(self, error: urllib.error.HTTPError, path: str) -> VpcLogsError:
        dag = path.split("/")[1] if path.startswith("dags/") else ""
        detail = _detail(error)
        if error.code == 401 or "JWT" in detail:  # a token that is none is answered with 403
            login = "the token" if self._settings.token else f"the password of {self._settings.username}"
            return AirflowRefused(
                f"Airflow at {self._url} does not accept {login} ({detail}): set another VPCLOGS_AIRFLOW_… in the "
                f"environment, or correct `airflow` in the settings"
            )
        if error.code == 403:
            return AirflowRefused(
                f"Airflow does not allow this user to do that with {dag}: give it a role that may see and trigger DAGs "
                f"(Op in the simple auth manager)"
            )
        if error.code == 404 and "dagRuns/" in path:
            return AirflowRefused(f"Airflow no longer has this run of {dag}: {detail}")
        if error.code == 404:
            return AirflowRefused(
                f"Airflow at {self._url} has no DAG {dag}: check that its DAG file is deployed and has no import error"
            )
        if error.code == 429 or error.code >= 500:
            return AirflowUnavailable(f"Airflow at {self._url} answered {error.code}: {detail}; try again later")
        return AirflowRefused(f"Airflow at {self._url} answered {error.code} to {path}: {detail}")


def _detail(error: urllib.error.HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        told = json.loads(text)["detail"]
    except (ValueError, KeyError, TypeError):
        told = text
    return " ".join(str(told).split())[:300] or error.reason
