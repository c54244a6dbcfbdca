"""Partition runs in Airflow: a limited number at once, each followed to its end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol

from vpclogs.partitions import LogType
from vpclogs.reloads.airflow_api import ACTIVE, AirflowUnavailable, DagRun

__all__ = ["PartitionRuns", "RunsApi", "reload_run_id"]

_POLL_SECONDS = 5.0
_PATIENCE = 24  # consecutive polls that may fail: two minutes, the time an API server takes to restart


def reload_run_id(key: str, now: datetime) -> str:
    """Return the id of a new run for a partition key, which names the partition in Airflow's lists of runs.

    Airflow's ids have no ``|``. ``now`` keeps two runs of one partition apart.
    """
    return f"reload__{key.replace('|', '_')}__{now:%Y-%m-%dT%H:%M:%S.%f}Z"


class RunsApi(Protocol):
    """The part of `vpclogs.reloads.airflow_api.AirflowApi` used here."""

    def start(self, dag: str, key: str, *, run_id: str, note: str) -> DagRun: ...
    def get(self, dag: str, run: str) -> DagRun: ...
    def active(self, dag: str) -> list[DagRun]: ...
    def require_running(self, dag: str) -> None: ...


class PartitionRuns:
    """Runs of the partition DAG of one log type. ``under_way`` are the unfinished ones, by key."""

    def __init__(
        self,
        api: RunsApi,
        log_type: LogType,
        *,
        note: str,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._dag = f"{log_type.value}_partition"
        self._note = note
        self._sleep = sleep
        self._clock = clock
        self.under_way: dict[str, DagRun] = {}

    def start(self, keys: Sequence[str], *, at_once: int) -> Iterator[DagRun]:
        """Start a run per key, at most ``at_once`` at a time, until all have started.

        Yields each run when it has started, and runs that ended meanwhile. A partition that has an unfinished run is
        not started again. Raises as `AirflowApi.start`.
        """
        self._api.require_running(self._dag)
        # Runs that somebody else started count: two reloads of one partition would only wait for each other.
        running = {run.key: run for run in self._api.active(self._dag)}
        waiting = deque(dict.fromkeys(keys))
        while waiting:
            if len(self.under_way) >= at_once:
                yield from self.ended()
                continue
            key = waiting.popleft()
            self.under_way[key] = running.get(key) or self._start(key)
            yield self.under_way[key]

    def _start(self, key: str) -> DagRun:
        return self._api.start(self._dag, key, run_id=reload_run_id(key, self._clock()), note=self._note)

    def ended(self) -> Iterator[DagRun]:
        """Wait until a run ends and yield those that have."""
        failures = 0
        while self.under_way:
            self._sleep(_POLL_SECONDS)
            try:
                seen = {key: self._api.get(self._dag, run.id) for key, run in self.under_way.items()}
            except AirflowUnavailable:
                failures += 1
                if failures >= _PATIENCE:
                    raise
                continue
            failures = 0
            self.under_way = {key: run for key, run in seen.items() if run.state in ACTIVE}
            if over := [run for run in seen.values() if run.state not in ACTIVE]:
                yield from over
                return
