"""An HTTP server that answers as Airflow 3.3's REST API does, for the calls that the command makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PASSWORD = "right"


@dataclass
class FakeAirflow:
    """Its state, which tests set and read. A run goes one state on each time it is asked for."""

    url: str = ""
    dags: dict[str, bool] = field(default_factory=lambda: {"vpc_dns_partition": False})  # name: paused
    runs: list[dict[str, Any]] = field(default_factory=list)
    ends: dict[str, str] = field(default_factory=dict)  # by key; success if not named
    requests: list[str] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)  # status and detail of the next API calls
    token: int = 0

    def active(self) -> int:
        return sum(run["state"] in ("queued", "running") for run in self.runs)

    def add(self, dag: str, key: str, run_id: str = "") -> dict[str, Any]:
        run = {
            "dag_run_id": run_id or f"manual__{len(self.runs)}",
            "dag_id": dag,
            "partition_key": key,
            "state": "queued",
        }
        self.runs.append(run)
        return run

    def advance(self, run: dict[str, Any]) -> None:
        if run["state"] in ("queued", "running"):
            run["state"] = "running" if run["state"] == "queued" else self.ends.get(run["partition_key"], "success")


@contextmanager
def fake_airflow() -> Iterator[FakeAirflow]:
    """A server on a free port of the loopback address."""
    airflow = FakeAirflow()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
            airflow.requests.append(f"{self.command} {self.path}")
            status, answer = _respond(airflow, self.command, self.path, body, self.headers.get("Authorization"))
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    airflow.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield airflow
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _respond(airflow: FakeAirflow, method: str, path: str, body: dict[str, Any], auth: str | None) -> tuple[int, Any]:
    parts = urlsplit(path)
    if parts.path == "/auth/token":
        if body.get("password") != PASSWORD:
            return 401, {"detail": "Invalid credentials"}
        airflow.token += 1
        return 201, {"access_token": f"token-{airflow.token}"}
    if airflow.answers:
        status, detail = airflow.answers.pop(0)
        return status, {"detail": detail}
    if auth not in (f"Bearer token-{airflow.token}", "Bearer ready"):
        return (401, {"detail": "Token Expired"}) if "token-" in str(auth) else (403, {"detail": "Invalid JWT token"})
    dag, *rest = [unquote(part) for part in parts.path.removeprefix("/api/v2/dags/").split("/")]
    if dag not in airflow.dags:
        return 404, {"detail": f"The Dag with ID: `{dag}` was not found"}
    return _respond_about(airflow, method, dag, rest, parse_qs(parts.query), body)


def _respond_about(
    airflow: FakeAirflow, method: str, dag: str, rest: list[str], query: dict[str, list[str]], body: dict[str, Any]
) -> tuple[int, Any]:
    if not rest:
        return 200, {"dag_id": dag, "is_paused": airflow.dags[dag]}
    if method == "POST":
        assert body["logical_date"] is None, "a keyed run has no logical date"
        return 200, airflow.add(dag, body["partition_key"], body["dag_run_id"])
    if len(rest) == 2:
        run = next(one for one in airflow.runs if one["dag_run_id"] == rest[1])
        airflow.advance(run)
        return 200, run
    found = [run for run in airflow.runs if run["dag_id"] == dag and run["state"] in query["state"]]
    first, limit = int(query["offset"][0]), int(query["limit"][0])
    return 200, {"dag_runs": found[first : first + limit], "total_entries": len(found)}
