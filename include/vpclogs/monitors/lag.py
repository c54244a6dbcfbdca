"""Ingest lag: how long records take from their minute to the table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from vpclogs.monitors.monitor import Sighting
from vpclogs.monitors.places import Place
from vpclogs.monitors.scene import Scene

__all__ = ["LAG_HOURS", "lags", "quantile"]

LAG_HOURS = 3
"""Hours that must all be slow: what arrives at once after an outage is late, and over."""

_FEWEST = 5  # objects in an hour


def lags(scene: Scene) -> Iterator[Sighting]:
    """Sources of whose records too many are late in each of the last hours."""
    for (log_type, source), frame in scene.loaded.groupby(["log_type", "source"]):
        limit = scene.limits(str(source)).max_lag_minutes
        ages = (scene.now - frame["published"]).dt.total_seconds() // 3600
        hours = [frame[ages == back] for back in range(LAG_HOURS)]
        if all(len(one) >= _FEWEST and _minutes(one, "time", "published", 0.95) > limit for one in hours):
            yield Sighting(Place(str(log_type), str(source)), _message(frame, str(log_type), str(source), limit))


def _message(frame: pd.DataFrame, log_type: str, source: str, limit: int) -> str:
    parts = [
        f"{name} {_minutes(frame, begin, end, 0.5):.0f} min (p50), {_minutes(frame, begin, end, 0.95):.0f} min (p95)"
        for name, begin, end in (
            ("from record to table", "time", "published"),
            ("of it to S3, by AWS,", "time", "delivered"),
            ("from S3 to table, by us,", "delivered", "published"),
        )
    ]
    return f"{log_type} of the source {source} is slow, p95 above {limit} min for {LAG_HOURS} hours: {'; '.join(parts)}"


def _minutes(frame: pd.DataFrame, begin: str, end: str, share: float) -> float:
    minutes = ((frame[end] - frame[begin]).dt.total_seconds() / 60).to_numpy()
    return quantile(minutes, frame["rows"].to_numpy(np.float64), share)


def quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The value below which lies the share of the weight."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    if len(total) == 0 or total[-1] == 0:
        return 0.0
    return float(values[order][np.searchsorted(total, share * total[-1])])
