"""Follow runs of DAGs in Airflow, and print the outcome of each task."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from demo.airflow_api import AirflowApi
from demo.options import DemoError

__all__ = ["RunFailed", "begin", "error_in", "finish", "give_up_interrupted"]

_KNOWN_SECONDS = 120.0
_SCHEDULED_SECONDS = 30.0
_RUN_SECONDS = 1800.0
_QUIET_SECONDS = 30.0
_ACTIVE = frozenset({"queued", "running"})
_OVER = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
_TOLD = _OVER - {"removed", "upstream_failed"} | {"up_for_retry"}


class RunFailed(DemoError):
    """Raised when a run did not succeed; the message has the end of the failed task's log."""


def give_up_interrupted(api: AirflowApi) -> None:
    """End the runs that were interrupted when Airflow was stopped. Airflow itself would take minutes to notice.

    Nothing is lost by that: the next run loads the objects that were not published.
    """
    for dag in api.dags():
        for run in api.runs(dag):
            if run["state"] in _ACTIVE:
                api.give_up(dag, run["dag_run_id"], "Interrupted: the demo was stopped.")


def begin(api: AirflowApi, dags: Sequence[str], companions: Sequence[str]) -> dict[str, str]:
    """Unpause ``dags`` and ``companions``. Return one run of each of ``dags`` that will load the delivered objects.

    A DAG that is unpaused for the first time starts the run of the last full hour by
    itself. Otherwise one is started by hand, which loads up to now.
    """
    _wait_known(api, [*dags, *companions])
    paused = {dag for dag, is_paused in api.dags().items() if is_paused}
    for dag in (*companions, *dags):
        api.unpause(dag)
    return {dag: (_scheduled(api, dag) if dag in paused else None) or api.trigger(dag) for dag in dags}


def finish(
    api: AirflowApi, runs: dict[str, str], *, logs: Path, say: Callable[[str], None], may_fail: Collection[str] = ()
) -> None:
    """Wait for all ``runs`` (DAG to run id), telling each task's end.

    Raises:
        RunFailed: a task failed that is none of those that ``may_fail``.
    """
    told: set[tuple[str, str, int, str, int]] = set()
    states: dict[str, str] = {}
    deadline = time.monotonic() + _RUN_SECONDS
    news = time.monotonic()
    while open_runs := runs.keys() - states.keys():
        for dag in sorted(open_runs):
            state = api.run(dag, runs[dag])["state"]
            instances = api.task_instances(dag, runs[dag])
            if _tell(dag, instances, told, logs, say):
                news = time.monotonic()
            elif time.monotonic() > news + _QUIET_SECONDS:
                say(f"{dag}: {_busy(instances)}")
            if state in ("success", "failed"):
                states[dag] = state
        if time.monotonic() > news + _QUIET_SECONDS:
            news = time.monotonic()
        if time.monotonic() > deadline:
            raise DemoError(
                f"still running after {_RUN_SECONDS / 60:.0f} minutes: {', '.join(open_runs)}. Look in {api.url}"
            )
        time.sleep(1)
    for dag, state in states.items():
        if state == "failed":
            failed = [one for one in api.task_instances(dag, runs[dag]) if one["state"] == "failed"]
            if failed and all(one["task_id"] in may_fail for one in failed):
                say(f"{dag}: the run is red, because somebody should look now")
                continue
            raise RunFailed(f"{dag}: the run {runs[dag]} failed.\n" + "\n".join(_log_end(logs, one) for one in failed))


def _wait_known(api: AirflowApi, dags: Iterable[str]) -> None:
    deadline = time.monotonic() + _KNOWN_SECONDS
    while missing := set(dags) - api.dags().keys():
        if errors := api.import_errors():
            raise DemoError("Airflow could not import the DAGs:\n" + "\n".join(errors))
        if time.monotonic() > deadline:
            raise DemoError(f"Airflow did not find the DAGs {', '.join(sorted(missing))} in time")
        time.sleep(1)


def _scheduled(api: AirflowApi, dag: str) -> str | None:
    """The run that the scheduler makes of a DAG that was just unpaused."""
    deadline = time.monotonic() + _SCHEDULED_SECONDS
    while time.monotonic() < deadline:
        for run in api.runs(dag):
            if run["state"] in _ACTIVE:
                run_id: str = run["dag_run_id"]
                return run_id
        time.sleep(1)
    return None


def _tell(
    dag: str,
    instances: Iterable[dict[str, Any]],
    told: set[tuple[str, str, int, str, int]],
    logs: Path,
    say: Callable[[str], None],
) -> bool:
    """Print the tasks that ended since the last call. Return True if there were any."""
    before = len(told)
    for one in sorted(instances, key=lambda one: one["end_date"] or ""):
        mark = (dag, one["task_id"], one["map_index"], one["state"] or "", one["try_number"])
        if one["state"] not in _TOLD or mark in told:
            continue
        told.add(mark)
        label = f" [{one['rendered_map_index']}]" if one["rendered_map_index"] else ""
        seconds = f" in {one['duration']:.0f} s" if one["duration"] else ""
        say(f"{dag}: {one['task_id']}{label} {one['state'].replace('_', ' ')}{seconds}")
        if one["state"] == "up_for_retry":
            say(f"  {_log_end(logs, one)}")
    return len(told) > before


def _busy(instances: Iterable[dict[str, Any]]) -> str:
    """Return the running tasks of a run, to print after a long wait."""
    states = Counter(one["state"] or "to do" for one in instances if one["state"] not in _OVER)
    return ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in states.items()) or "beginning"


def _log_end(logs: Path, instance: dict[str, Any]) -> str:
    """Return the path of a failed task's log, and the error in it."""
    folder = (
        logs / f"dag_id={instance['dag_id']}" / f"run_id={instance['dag_run_id']}" / f"task_id={instance['task_id']}"
    )
    if instance["map_index"] >= 0:
        folder /= f"map_index={instance['map_index']}"
    file = folder / f"attempt={instance['try_number']}.log"
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    errors = [text for line in lines if (text := error_in(line))]
    return "\n".join([*errors, f"All of it: {file}"])


def error_in(line: str) -> str:
    """Return the error in a line of a task's log, or nothing. Each line is a JSON object."""
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return ""
    if details := entry.get("error_detail"):
        return str(details[0]["exc_value"])
    return str(entry["event"]) if entry.get("level") in ("error", "critical") else ""
