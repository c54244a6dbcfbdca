"""Airflow's REST API: a client, and the calls that start and follow the runs of partitions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from vpclogs.errors import VpcLogsError
from vpclogs.redaction import remember

if TYPE_CHECKING:
    import httpx

    from vpclogs.config.settings import AirflowSettings

__all__ = ["ACTIVE", "AirflowApi", "AirflowClient", "AirflowRefused", "AirflowUnavailable", "DagRun"]

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


class AirflowClient:
    """Calls one Airflow, as the user or with the token of the settings. Logs in when it must.

    ``proxies`` is False for a server that the proxies of the environment cannot reach.
    """

    def __init__(self, settings: AirflowSettings, *, proxies: bool = True) -> None:
        self._settings = settings
        self._url = (settings.api_url or settings.url).rstrip("/")
        self._key = "airflow.api_url" if settings.api_url else "airflow.url"
        self._token = settings.token or ""
        self._proxies = proxies

    @cached_property
    def _http(self) -> httpx.Client:
        import httpx  # slow, and most commands call no Airflow

        return httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=self._proxies)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the answer of a path below ``/api/v2/``.

        Raises:
            AirflowRefused: Airflow does not accept the login or the request, or it is no Airflow.
            AirflowUnavailable: Airflow cannot be reached now; it may have done what was asked for all the same.
        """
        fresh = not self._token
        if fresh:
            self._log_in()
        answer = self._send(method, f"/api/v2/{path}", body)
        if answer.status_code == 401 and not fresh and self._settings.token is None:  # the login has run out
            self._token = ""
            return self.call(method, path, body)
        return self._content(answer, path)

    def _log_in(self) -> None:
        login = {"username": self._settings.username, "password": self._settings.password}
        answer = self._send("POST", "/auth/token", login)
        if answer.status_code in (404, 405):
            raise AirflowRefused(
                f"Airflow at {self._url} does not exchange passwords for tokens, because its auth manager has no "
                f"/auth/token: set VPCLOGS_AIRFLOW_TOKEN to a token"
            )
        self._token = self._content(answer, "auth/token")["access_token"]
        remember([self._token])

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        import httpx

        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            return self._http.request(method, self._url + path, json=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = "no answer in time" if isinstance(error, httpx.TimeoutException) else error
            raise AirflowUnavailable(
                f"Airflow at {self._url} cannot be reached ({problem}): check {self._key}, and that its API server runs"
            ) from error

    def _content(self, answer: httpx.Response, path: str) -> Any:
        if answer.is_error:
            raise self._explained(answer, path)
        if not answer.is_success:
            # Not followed: a redirect would take the login along.
            where = answer.headers.get("location", "nowhere")
            raise AirflowRefused(f"{self._url} leads to {where} for {path}: set {self._key} to Airflow's own address")
        try:
            return answer.json()
        except ValueError as error:
            raise AirflowRefused(f"{self._url}/{path} does not respond like Airflow: check {self._key}") from error

    def _explained(self, answer: httpx.Response, path: str) -> VpcLogsError:
        dag = path.split("/")[1] if path.startswith("dags/") else ""
        code, detail = answer.status_code, _detail(answer)
        if code == 401 or "JWT" in detail:  # a token that is none is answered with 403
            login = "the token" if self._settings.token else f"the password of {self._settings.username}"
            return AirflowRefused(
                f"Airflow at {self._url} does not accept {login} ({detail}): set another VPCLOGS_AIRFLOW_… in the "
                f"environment, or correct `airflow` in the settings"
            )
        if code == 403:
            return AirflowRefused(
                f"Airflow does not allow this user to do that with {dag}: give it a role that may see and trigger DAGs "
                f"(Op in the simple auth manager)"
            )
        if code == 404 and "dagRuns/" in path:
            return AirflowRefused(f"Airflow no longer has this run of {dag}: {detail}")
        if code == 404:
            return AirflowRefused(
                f"Airflow at {self._url} has no DAG {dag}: check that its DAG file is deployed and has no import error"
            )
        if code == 429 or code >= 500:
            return AirflowUnavailable(f"Airflow at {self._url} answered {code}: {detail}; try again later")
        return AirflowRefused(f"Airflow at {self._url} answered {code} to {path}: {detail}")


class AirflowApi(AirflowClient):
    """The calls that start and follow the runs of partitions."""

    def start(self, dag: str, key: str, *, run_id: str, note: str) -> DagRun:
        """Start a run for a partition key, with an id that the DAG has no run of yet.

        Raises:
            AirflowRefused: Airflow does not know the DAG, or does not let this user start it.
            AirflowUnavailable: Airflow cannot be reached now; the run may have been started all the same.
        """
        body = {"dag_run_id": run_id, "logical_date": None, "partition_key": key, "note": note}
        return self._run(dag, self.call("POST", f"dags/{dag}/dagRuns", body))

    def get(self, dag: str, run: str) -> DagRun:
        """A run as it is now. Raises as `start`."""
        return self._run(dag, self.call("GET", f"dags/{dag}/dagRuns/{quote(run, safe='')}"))

    def active(self, dag: str) -> list[DagRun]:
        """The runs that have not ended, the oldest first. Raises as `start`."""
        found: list[DagRun] = []
        while True:
            query = [("state", state) for state in ACTIVE]
            query += [("limit", str(_PAGE)), ("offset", str(len(found))), ("order_by", "id")]
            page: Sequence[Any] = self.call("GET", f"dags/{dag}/dagRuns?{urlencode(query)}")["dag_runs"]
            found += [self._run(dag, one) for one in page]
            if len(page) < _PAGE:
                return found

    def require_running(self, dag: str) -> None:
        """See that the DAG is there and not paused.

        Raises:
            AirflowRefused: it is not, or it is.
        """
        if self.call("GET", f"dags/{dag}")["is_paused"]:
            raise AirflowRefused(f"{dag} is paused in Airflow, so runs would wait: switch it on, then run this again")

    def _run(self, dag: str, answer: Mapping[str, Any]) -> DagRun:
        run = str(answer["dag_run_id"])
        url = f"{self._settings.url.rstrip('/')}/dags/{dag}/runs/{quote(run, safe='')}"
        return DagRun(run, str(answer.get("partition_key") or ""), str(answer["state"]), url)


def _detail(answer: httpx.Response) -> str:
    try:
        told = json.loads(answer.text)["detail"]
    except (ValueError, KeyError, TypeError):
        told = answer.text
    return " ".join(str(told).split())[:300] or answer.reason_phrase
