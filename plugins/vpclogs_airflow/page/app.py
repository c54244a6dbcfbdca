"""The page's routes. Each declares the permission of Airflow that it needs, and all need a login."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import date
from importlib.resources import files
from typing import Annotated

from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from vpclogs.errors import InvalidPartition
from vpclogs.partitions import LogType, Partition
from vpclogs_airflow.page import PREFIX, views
from vpclogs_airflow.page.access import may_acknowledge, may_read, may_reload, readable, same_origin
from vpclogs_airflow.page.reloading import FollowedRun, followed_run, start_reload
from vpclogs_airflow.page.rendering import address, render

__all__ = ["make_app"]

_LOG = logging.getLogger(__name__)

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_STATIC = {"page.css": "text/css", "page.js": "text/javascript"}
_HINTS = {
    401: "Log in to Airflow, then open this page again.",
    403: "Your Airflow role may not see this. Ask for access to the DAGs vpc_dns_hourly or vpc_flow_hourly.",
    404: "There is nothing at this address. Go back to the overview.",
}


def make_app() -> FastAPI:
    """Return the application that Airflow's API server mounts."""
    app = FastAPI(title="vpclogs", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(get_user)])
    app.middleware("http")(_with_headers)
    app.exception_handler(HTTPException)(_explain)
    app.exception_handler(RequestValidationError)(_explain_input)
    app.exception_handler(InvalidPartition)(_explain_input)
    app.exception_handler(Exception)(_explain_failure)

    app.get("/", response_class=HTMLResponse)(_overview)
    app.get("/static/{name}")(_static)
    app.get("/dag/{dag_id}", response_class=HTMLResponse, dependencies=[Depends(requires_access_dag("GET"))])(_of_dag)
    run = "/dag/{dag_id}/run/{run_id}"
    app.get(run, response_class=HTMLResponse, dependencies=[Depends(requires_access_dag("GET"))])(_of_run)
    app.get(
        run + "/{task_id}/{map_index}",
        response_class=HTMLResponse,
        dependencies=[Depends(requires_access_dag("GET"))],
    )(_of_batch)
    app.post("/alerts/{alert}", dependencies=[Depends(may_acknowledge), Depends(same_origin)])(_acknowledge)
    partition = "/{log_type}/{account}/{region}/{day}"
    app.get(partition, response_class=HTMLResponse, dependencies=[Depends(may_read)])(_partition)
    app.get(partition + "/reload", response_class=HTMLResponse, dependencies=[Depends(may_reload)])(_confirm_reload)
    app.post(partition + "/reload", dependencies=[Depends(may_reload), Depends(same_origin)])(_reload)
    return app


def _overview(request: Request, user: GetUserDep, chosen: Annotated[views.Filters, Query()]) -> HTMLResponse:
    logs = readable(user)
    if not logs:
        raise HTTPException(403)
    if chosen.log is not None and chosen.log not in logs:
        raise HTTPException(403)
    return render(request, "overview.html", views.overview(chosen, logs))


async def _acknowledge(request: Request, alert: int, user: GetUserDep) -> RedirectResponse:
    form = await request.form()
    views.acknowledge(alert, by=user.get_name(), note=str(form.get("note", "")))
    return RedirectResponse(request.scope.get("root_path", PREFIX) + "/#alerts", status_code=303)


def _of_dag(request: Request, dag_id: str, chosen: Annotated[views.Filters, Query()]) -> HTMLResponse:
    log_type = views.log_type_of(dag_id)
    if log_type is None:
        return render(request, "other.html", {"dag_id": dag_id})
    chosen = chosen.model_copy(update={"log": log_type})
    return render(request, "overview.html", views.overview(chosen, [log_type]))


def _of_run(request: Request, dag_id: str, run_id: str) -> HTMLResponse:
    if views.log_type_of(dag_id) is None:
        return render(request, "other.html", {"dag_id": dag_id})
    return render(request, "run.html", views.run(dag_id, run_id))


def _of_batch(request: Request, dag_id: str, run_id: str, task_id: str, map_index: int) -> HTMLResponse:
    if views.log_type_of(dag_id) is None:
        return render(request, "other.html", {"dag_id": dag_id})
    if task_id != "stage" or map_index < 0:
        return render(request, "run.html", views.run(dag_id, run_id))
    return render(request, "batch.html", views.batch(dag_id, run_id, map_index))


def _partition(
    request: Request,
    log_type: LogType,
    account: str,
    region: str,
    day: date,
    run: Annotated[FollowedRun | None, Depends(followed_run)],
    after: int = 0,
) -> HTMLResponse:
    found = views.partition(Partition(log_type, account, region, day), after=after)
    return render(request, "partition.html", found | {"run": run})


def _confirm_reload(request: Request, log_type: LogType, account: str, region: str, day: date) -> HTMLResponse:
    return render(request, "reload.html", views.partition(Partition(log_type, account, region, day)))


async def _reload(request: Request, log_type: LogType, account: str, region: str, day: date) -> RedirectResponse:
    partition = Partition(log_type, account, region, day)
    run_id = await start_reload(request, partition)
    return RedirectResponse(address(request, partition, run=run_id), status_code=303)


def _static(name: str) -> Response:
    if name not in _STATIC:
        raise HTTPException(404)
    content = files("vpclogs_airflow.page").joinpath("static", name).read_bytes()
    return Response(content, media_type=_STATIC[name])


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    return response


def _explain(request: Request, error: Exception) -> HTMLResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for it
    hint = _HINTS.get(error.status_code) or str(error.detail)
    return render(request, "error.html", {"hint": hint}, status_code=error.status_code)


def _explain_input(request: Request, error: Exception) -> HTMLResponse:
    hint = "A value in the address is not valid, such as an account without 12 digits. Go back to the overview."
    return render(request, "error.html", {"hint": hint}, status_code=422)


def _explain_failure(request: Request, error: Exception) -> HTMLResponse:
    # The error may name paths or hosts, so it goes to the log only.
    _LOG.exception("the page %s failed", request.url.path, exc_info=error)
    hint = "The ledger could not be read. The log of Airflow's API server has the reason."
    response = render(request, "error.html", {"hint": hint}, status_code=500)
    response.headers.update(_HEADERS)
    return response
