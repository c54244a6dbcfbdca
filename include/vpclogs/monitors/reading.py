"""Reads the scene from the ledger and from S3."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from vpclogs.audits.context import OTHER_LOGS
from vpclogs.config.settings import Settings
from vpclogs.config.sources import Source
from vpclogs.ledger import Ledger
from vpclogs.monitors.coverage import find_uncovered
from vpclogs.monitors.drift import features_in
from vpclogs.monitors.entities import Entity
from vpclogs.monitors.grid import HOUR, Grid, floor_hour
from vpclogs.monitors.lag import LAG_HOURS
from vpclogs.monitors.snapshot import Snapshot, Uncovered
from vpclogs.object_keys import key_time
from vpclogs.partitions import UNKNOWN_REGION, LogType, Partition
from vpclogs.s3.left_out import LeftOut, left_out_scopes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["read_snapshot", "read_uncovered"]

_LOADED = ["log_type", "source", "time", "delivered", "published", "rows"]


def read_snapshot(
    ledger: Ledger, settings: Settings, *, now: datetime, uncovered: Sequence[Uncovered] = ()
) -> Snapshot:
    """Return the state of the ledger at ``now``, after updating its hourly counts and schema features."""
    since = now.date() - timedelta(days=settings.monitors.learn_days + 2)
    lookback = max(source.lookback_days for source in settings.sources)
    ledger.deliveries.update(since=since, other_logs=OTHER_LOGS)
    ledger.deliveries.prune(since - timedelta(days=7))
    _learn_traits(ledger, now, since)
    looks = {
        kind: ledger.watching.looks(kind, since=now - settings.monitors.learn_days * 24 * HOUR)
        for kind in dict.fromkeys(source.log_type for source in settings.sources)
    }
    read = _Reads(settings)
    return Snapshot(
        now=now,
        settings=settings,
        grids=_grids(ledger, settings, read, now),
        loaded=_loaded(ledger, settings, now, now.date() - timedelta(days=lookback + 1)),
        waiting=[row for row in ledger.watching.waiting(since=since) if read(row.source, row.account, row.region)],
        traits=[row for row in ledger.traits.all() if read(row.source, row.account, row.region)],
        looks=looks,
        failed=ledger.watching.failed(since=since),
        uncovered=uncovered,
        left_out=_left_out(ledger, settings),
        listings={source.name: ledger.listings.of(source.name) for source in settings.sources},
    )


def read_uncovered(settings: Settings, *, client_for: Callable[[Source], S3Client], today: date) -> Sequence[Uncovered]:
    """Return accounts in S3 that no source reads, from today's and yesterday's folders."""
    days = [today - timedelta(days=1), today]
    return find_uncovered(settings.sources, days, client_for=client_for, threads=settings.limits.list_threads)


def _left_out(ledger: Ledger, settings: Settings) -> Sequence[LeftOut]:
    """The VPCs that no source reads because of its list of regions; one that another source reads is not missed."""
    known = ledger.objects.known_scopes()
    read = {
        entity
        for source in settings.sources_for(LogType.VPC_DNS)
        for entity, region in known.items()
        if source.covers_account(entity[0]) and source.covers_region(region)
    }
    found = [one for source in settings.sources for one in left_out_scopes(source, known)]
    return [one for one in found if (one.account, one.scope) not in read]


class _Reads:
    """Return True if a source reads an entity today. Entities removed from the settings are not missed."""

    def __init__(self, settings: Settings) -> None:
        self._sources = {source.name: source for source in settings.sources}
        self._known: dict[tuple[str, str, str], bool] = {}

    def __call__(self, source: str, account: str, region: str) -> bool:
        entity = (source, account, region)
        if entity not in self._known:
            one = self._sources.get(source)
            self._known[entity] = (
                one is not None
                and one.covers_account(account)
                and (region == UNKNOWN_REGION or one.covers_region(region))
            )
        return self._known[entity]


def _grids(ledger: Ledger, settings: Settings, read: _Reads, now: datetime) -> dict[LogType, Grid]:
    hours = 24 * (settings.monitors.learn_days + 1)
    start = floor_hour(now) - (hours - 1) * HOUR
    counts = ledger.deliveries.hours(start.date() - timedelta(days=1))
    homes = _homes(counts)
    found: dict[str, list[tuple[Entity, Any]]] = {log_type: [] for log_type in LogType}
    for row in counts:
        source, region = homes.get((row.log_type, row.account, row.scope), (row.source, row.region))
        if read(source, row.account, region):
            found[row.log_type].append((Entity(row.log_type, source, row.account, region, row.scope), row))
    return {log_type: Grid.of(found[log_type], start, hours) for log_type in LogType}


def _homes(counts: Sequence[Any]) -> dict[tuple[str, str, str], tuple[str, str]]:
    """Source and region by VPC or flow log, of its newest objects: the region may have been unknown before, the
    source renamed."""
    named = (row for row in counts if row.scope and row.region != UNKNOWN_REGION)
    newest = sorted(named, key=lambda row: row.hour)
    return {(row.log_type, row.account, row.scope): (row.source, row.region) for row in newest}


def _loaded(ledger: Ledger, settings: Settings, now: datetime, days: date) -> pd.DataFrame:
    lookbacks = {source.name: timedelta(days=source.lookback_days) for source in settings.sources}
    rows = []
    for row in ledger.watching.loaded(since=now - LAG_HOURS * HOUR, days=days):
        # objects older than the lookback belong to a backfill, which is not late
        if row.source in lookbacks and row.last_modified.date() - row.day <= lookbacks[row.source]:
            time = key_time(row.key) or row.last_modified
            rows.append((row.log_type, row.source, time, row.last_modified, row.settled_at, row.rows))
    frame = pd.DataFrame.from_records(rows, columns=_LOADED)
    for name in ("time", "delivered", "published"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame


def _learn_traits(ledger: Ledger, now: datetime, since: date) -> None:
    seen: list[Any] = []
    newest = None
    start = now - (now.date() - since)
    for staged_at, log_type, statistics in ledger.traits.staged(since=start):
        found = {Partition.parse(key, LogType(log_type)) for key in statistics}
        seen += features_in(log_type, statistics, ledger.watching.sources_of(found))
        newest = staged_at if newest is None else max(newest, staged_at)
    if newest is not None:
        ledger.traits.keep(seen, staged_at=newest, now=now)
