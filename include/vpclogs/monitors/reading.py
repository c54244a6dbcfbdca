"""Reads the scene from the ledger and from S3."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from vpclogs.audits.case import OTHER_LOGS
from vpclogs.layouts import key_time
from vpclogs.ledger import Ledger
from vpclogs.ledger.tables import deliveries
from vpclogs.monitors.coverage import find_uncovered
from vpclogs.monitors.drift import traits_in
from vpclogs.monitors.grid import HOUR
from vpclogs.monitors.lag import LAG_HOURS
from vpclogs.monitors.scene import Scene, Uncovered
from vpclogs.partitions import UNKNOWN_REGION, LogType, Partition
from vpclogs.settings import Settings
from vpclogs.sources import Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["read_scene", "read_uncovered"]

_LOADED = ["log_type", "source", "time", "delivered", "published", "rows"]
_PLACE = ["source", "account", "region"]
_VPC_KEY = ["log_type", "account", "scope"]


def read_scene(ledger: Ledger, settings: Settings, *, now: datetime, uncovered: Sequence[Uncovered] = ()) -> Scene:
    """What the ledger knows at ``now``. Brings the ledger's counts by hour and its traits up to date first."""
    since = now.date() - timedelta(days=settings.monitors.learn_days + 2)
    lookback = max(source.lookback_days for source in settings.sources)
    ledger.deliveries.update(since=since, fresh=now.date() - timedelta(days=1), other_logs=OTHER_LOGS)
    ledger.deliveries.prune(since - timedelta(days=7))
    _learn_traits(ledger, now, since)
    looks = {
        kind: ledger.watching.looks(kind, since=now - settings.monitors.learn_days * 24 * HOUR)
        for kind in dict.fromkeys(source.log_type for source in settings.sources)
    }
    read = _Reads(settings)
    return Scene(
        now=now,
        settings=settings,
        hours=_hours(ledger, read, since),
        loaded=_loaded(ledger, settings, now, now.date() - timedelta(days=lookback + 1)),
        waiting=[row for row in ledger.watching.waiting(since=since) if read(row.source, row.account, row.region)],
        traits=[row for row in ledger.traits.all() if read(row.source, row.account, row.region)],
        looks=looks,
        failed=ledger.watching.failed(since=since),
        uncovered=uncovered,
    )


def read_uncovered(settings: Settings, *, client_for: Callable[[Source], S3Client], today: date) -> Sequence[Uncovered]:
    """Look in S3 for accounts that no source reads, in today's and yesterday's folders."""
    days = [today - timedelta(days=1), today]
    return find_uncovered(settings.sources, days, client_for=client_for, threads=settings.limits.list_threads)


class _Reads:
    """Whether a source reads a place today: what was taken out of the settings is not missed."""

    def __init__(self, settings: Settings) -> None:
        self._sources = {source.name: source for source in settings.sources}

    def __call__(self, source: str, account: str, region: str) -> bool:
        one = self._sources.get(source)
        if one is None or not one.covers_account(account):
            return False
        return region == UNKNOWN_REGION or one.covers_region(region)


def _hours(ledger: Ledger, read: _Reads, since: date) -> pd.DataFrame:
    frame = _frame(ledger.deliveries.hours(since), [column.name for column in deliveries.columns])
    # another log under the same prefix has a rhythm of its own, which is no concern of ours
    frame["objects"] -= frame["other_logs"]
    frame["settled"] -= frame["other_logs"]
    frame = _where_they_are_now(frame[frame["objects"] > 0])
    places = frame[_PLACE].drop_duplicates()
    wanted = [read(*place) for place in places.itertuples(index=False, name=None)]
    return frame.merge(places[wanted], on=_PLACE)


def _where_they_are_now(frame: pd.DataFrame) -> pd.DataFrame:
    """A VPC is where its newest objects are: its region may have been unknown before, its source renamed."""
    known = frame[frame["region"] != UNKNOWN_REGION].sort_values("hour").drop_duplicates(_VPC_KEY, keep="last")
    joined = frame.merge(known[[*_VPC_KEY, "region", "source"]], on=_VPC_KEY, how="left", suffixes=("", "_now"))
    named = joined["scope"] != ""
    for column in ("region", "source"):
        joined[column] = joined[f"{column}_now"].where(named).fillna(joined[column])
    return joined.drop(columns=["region_now", "source_now"])


def _loaded(ledger: Ledger, settings: Settings, now: datetime, days: date) -> pd.DataFrame:
    lookbacks = {source.name: timedelta(days=source.lookback_days) for source in settings.sources}
    rows = []
    for row in ledger.watching.loaded(since=now - LAG_HOURS * HOUR, days=days):
        # what hourly runs do not look for is a backfill, which is not late
        if row.source in lookbacks and row.last_modified.date() - row.day <= lookbacks[row.source]:
            time = key_time(row.key) or row.last_modified
            rows.append((row.log_type, row.source, time, row.last_modified, row.settled_at, row.rows))
    return _frame(rows, _LOADED)


def _learn_traits(ledger: Ledger, now: datetime, since: date) -> None:
    seen: list[Any] = []
    newest = None
    start = now - (now.date() - since)
    for staged_at, log_type, statistics in ledger.traits.staged(since=start):
        found = {Partition.parse(key, LogType(log_type)) for key in statistics}
        seen += traits_in(log_type, statistics, ledger.watching.sources_of(found))
        newest = staged_at if newest is None else max(newest, staged_at)
    if newest is not None:
        ledger.traits.keep(seen, staged_at=newest, now=now)


def _frame(rows: Sequence[Any], columns: Sequence[str]) -> pd.DataFrame:
    """A frame with the columns, also of no rows; times are aware UTC, days are dates."""
    frame = pd.DataFrame.from_records([tuple(row) for row in rows], columns=list(columns))
    for name in ("hour", "time", "delivered", "published"):
        if name in frame:
            frame[name] = pd.to_datetime(frame[name], utc=True)
    for name in ("objects", "settled", "other_logs", "refused_objects", "rows", "refused"):
        if name in frame:
            frame[name] = frame[name].astype("int64")
    return frame
