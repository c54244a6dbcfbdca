"""Ingest lag: the time from the end of a record's minute until it is in the table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from vpclogs.audits.check import percent
from vpclogs.monitors.entities import Entity
from vpclogs.monitors.monitor import Observation
from vpclogs.monitors.snapshot import Snapshot

__all__ = ["LAG_HOURS", "lags", "quantile"]

LAG_HOURS = 3
"""Hours that must all be slow: the backlog delivered after an outage is late once, and done."""

_LATE_SHARE = 0.1  # of each hour's records: one or two late objects are normal
_FEWEST_LATE = 3  # objects per hour


def lags(snapshot: Snapshot) -> Iterator[Observation]:
    """Yield sources with too many late records in each of the last hours."""
    for (log_type, source), frame in snapshot.loaded.groupby(["log_type", "source"]):
        limit = snapshot.limits(str(source)).max_lag_minutes
        ages = (snapshot.now - frame["published"]).dt.total_seconds() // 3600
        if all(_late(frame[ages == back], limit) for back in range(LAG_HOURS)):
            yield Observation(Entity(str(log_type), str(source)), _message(frame, str(log_type), str(source), limit))


def _late(frame: pd.DataFrame, limit: int) -> bool:
    late = (frame["published"] - frame["time"]).dt.total_seconds() > 60 * limit
    return int(late.sum()) >= _FEWEST_LATE and frame["rows"][late].sum() > _LATE_SHARE * frame["rows"].sum()


def _message(frame: pd.DataFrame, log_type: str, source: str, limit: int) -> str:
    parts = [
        f"{name} {_minutes(frame, begin, end, 0.5):.0f} min (p50), {_minutes(frame, begin, end, 0.95):.0f} min (p95)"
        for name, begin, end in (
            ("from record to table", "time", "published"),
            ("of it to S3, by AWS,", "time", "delivered"),
            ("from S3 to table, by us,", "delivered", "published"),
        )
    ]
    slow = (
        f"more than {percent(_LATE_SHARE)} of its records took over {limit} min in each of the last {LAG_HOURS} hours"
    )
    return f"{log_type} of the source {source}: {slow}; {', '.join(parts)}"


def _minutes(frame: pd.DataFrame, begin: str, end: str, share: float) -> float:
    minutes = ((frame[end] - frame[begin]).dt.total_seconds() / 60).to_numpy()
    return quantile(minutes, frame["rows"].to_numpy(np.float64), share)


def quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """Return the weighted quantile: the value below which ``share`` of the weight lies."""
    # Weighted by records: an object of a million rows is as late as a million objects of one row.
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    if len(total) == 0 or total[-1] == 0:
        return 0.0
    return float(values[order][np.searchsorted(total, share * total[-1])])
