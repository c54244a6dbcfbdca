"""Thirty days of deliveries as a ledger sees them, without an object: what monitors are tried on.

The days have what makes bad monitors cry: weekends, an office that sleeps, clocks that
change in America and in Europe, growth, launches, a replaced flow log, late objects.
"""

from __future__ import annotations

import dataclasses
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import bindparam, insert, update

from vpclogs.config.settings import Settings
from vpclogs.findings import MonitorFinding
from vpclogs.ledger import Ledger
from vpclogs.ledger.tables import manifests, objects, partitions
from vpclogs.manifests import ListingFailure
from vpclogs.monitors.reading import read_snapshot
from vpclogs.monitors.running import Report, look
from vpclogs.objects import object_identity
from vpclogs.partitions import LogType

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday. Clocks change in New York on the 8th, in Berlin on the 29th."""
END = BEGIN + timedelta(days=30)

HOUR = timedelta(hours=1)
DNS, FLOW = LogType.VPC_DNS, LogType.VPC_FLOW
EAST, WEST = "111111111111", "222222222222"

SETTINGS = {
    "sources": [
        {"name": "dns", "log_type": "vpc_dns", "bucket": "logs"},
        {"name": "flow", "log_type": "vpc_flow", "bucket": "logs"},
    ]
}


@dataclass(frozen=True)
class Site:
    """One VPC or flow log. ``level`` gives records an hour at a time; 0 is no delivery at all."""

    log_type: LogType
    account: str
    region: str
    scope: str
    level: Callable[[datetime, np.random.Generator], float]


@dataclass
class Delivery:
    """One object: when its minutes began, when S3 got it, when it was listed and published."""

    site: Site
    time: datetime
    delivered: datetime
    rows: int
    refused: int = 0
    state: str = "loaded"
    reason: str | None = None
    loads_for: timedelta = timedelta(minutes=10)
    stuck: bool = False
    seen: datetime | None = None

    @property
    def published(self) -> datetime | None:
        return None if self.seen is None or self.stuck else self.seen + self.loads_for


def steady(level: float, *, zone: str = "UTC", growth: float = 1.0) -> Callable[[datetime, np.random.Generator], float]:
    """Busy by day, half at night, half again at weekends; ``growth`` is by day."""

    def at(time: datetime, rng: np.random.Generator) -> float:
        local = time.astimezone(ZoneInfo(zone))
        day = 1.0 if 8 <= local.hour < 19 else 0.5
        week = 0.5 if local.weekday() >= 5 else 1.0
        return level * day * week * float(growth ** ((time - BEGIN).days)) * float(rng.lognormal(0, 0.15))

    return at


def office(level: float, zone: str) -> Callable[[datetime, np.random.Generator], float]:
    """Nothing outside of office hours."""

    def at(time: datetime, rng: np.random.Generator) -> float:
        local = time.astimezone(ZoneInfo(zone))
        return level * float(rng.lognormal(0, 0.2)) if local.weekday() < 5 and 9 <= local.hour < 17 else 0.0

    return at


def sporadic(level: float, share: float) -> Callable[[datetime, np.random.Generator], float]:
    """In a few hours, at random."""
    return lambda time, rng: level * float(rng.lognormal(0, 1)) if rng.random() < share else 0.0


def nightly(level: float) -> Callable[[datetime, np.random.Generator], float]:
    """Little, but for a job at night."""
    return lambda time, rng: level * (20 if 1 <= time.hour < 3 else 1) * float(rng.lognormal(0, 0.15))


def between(
    level: Callable[[datetime, np.random.Generator], float], first: datetime = BEGIN, last: datetime = END
) -> Callable[[datetime, np.random.Generator], float]:
    """Only from one time to another."""
    return lambda time, rng: level(time, rng) if first <= time < last else 0.0


def times(
    level: Callable[[datetime, np.random.Generator], float], factor: float, first: datetime
) -> Callable[[datetime, np.random.Generator], float]:
    """From a time on by a factor: a launch."""
    return lambda time, rng: level(time, rng) * (factor if time >= first else 1)


def at(day: int, hour: int = 0) -> datetime:
    """An hour of a day, counted from 0."""
    return BEGIN + timedelta(days=day, hours=hour)


LAUNCH, SWITCH = at(18, 9), at(20, 14)

SITES = (
    Site(DNS, EAST, "us-east-1", "vpc-main", steady(40_000, zone="America/New_York")),
    Site(DNS, EAST, "us-east-1", "vpc-office", office(9_000, "America/New_York")),
    Site(DNS, EAST, "eu-central-1", "vpc-berlin", steady(25_000, zone="Europe/Berlin")),
    Site(DNS, WEST, "us-west-2", "vpc-rare", sporadic(300, 0.1)),
    Site(DNS, WEST, "eu-west-1", "vpc-growing", steady(20_000, growth=1.01)),
    Site(DNS, WEST, "eu-west-1", "vpc-launched", between(steady(300_000), first=LAUNCH)),
    Site(FLOW, EAST, "us-east-1", "fl-east", steady(60_000, zone="America/New_York")),
    Site(FLOW, EAST, "us-east-1", "fl-berlin-office", office(20_000, "Europe/Berlin")),
    Site(FLOW, EAST, "eu-central-1", "fl-version2", between(steady(30_000, zone="Europe/Berlin"), last=SWITCH)),
    Site(FLOW, EAST, "eu-central-1", "fl-version5", between(steady(30_000, zone="Europe/Berlin"), first=SWITCH)),
    Site(FLOW, WEST, "us-west-2", "fl-nightly", nightly(3_000)),
    Site(FLOW, WEST, "eu-west-1", "fl-shop", times(steady(50_000), 3, LAUNCH)),
    Site(FLOW, WEST, "eu-west-1", "fl-shrinking", steady(40_000, growth=0.99)),
    Site(FLOW, WEST, "ap-southeast-2", "fl-sydney", steady(20_000, zone="Australia/Sydney")),
    Site(FLOW, WEST, "ap-southeast-2", "fl-perth", steady(15_000, zone="Australia/Perth")),
)


@dataclass
class Weeks:
    """What was delivered, and how runs went. Faults change it before it is watched."""

    deliveries: list[Delivery]
    paused: Callable[[datetime], bool] = lambda run: False
    failures: Callable[[datetime], Sequence[ListingFailure]] = lambda run: ()
    failed: dict[tuple[LogType, str, str, date], str] = field(default_factory=dict)

    def of(self, first: datetime, last: datetime = END, **site: Any) -> Iterator[Delivery]:
        """The deliveries of some minutes, of the sites that have these attributes."""
        for one in self.deliveries:
            if first <= one.time < last and all(getattr(one.site, name) == value for name, value in site.items()):
                yield one

    def drop(self, gone: Iterable[Delivery]) -> None:
        """Take deliveries out."""
        out = {id(one) for one in gone}
        self.deliveries = [one for one in self.deliveries if id(one) not in out]


def simulate(sites: Sequence[Site] = SITES, *, days: int = 30, per_hour: int = 2) -> Weeks:
    """Thirty good days. One object in thirty is hours late."""
    deliveries = []
    for site in sites:
        rng = np.random.default_rng(zlib.crc32(site.scope.encode()))
        for hour in range(24 * days):
            time = BEGIN + hour * HOUR
            level = site.level(time, rng)
            for part in range(per_hour if level else 0):
                began = time + part * HOUR / per_hour
                late = timedelta(minutes=float(rng.uniform(6, 14)))
                if rng.random() < 1 / 30:
                    late += timedelta(hours=float(rng.uniform(1, 20)))
                deliveries.append(Delivery(site, began, began + late, max(1, round(level / per_hour))))
    return Weeks(deliveries)


class Watched:
    """A ledger that lives through the weeks hour by hour, and monitors that look at it.

    It may begin as a copy of a ledger that has lived (see `save`) until ``lived``.
    """

    def __init__(self, weeks: Weeks, folder: Path, *, copy: Path | None = None, lived: datetime = BEGIN) -> None:
        path = folder / "ledger.db"
        if copy is not None:
            shutil.copyfile(copy, path)
        self.settings = Settings.model_validate(SETTINGS | {"ledger": f"sqlite:///{path}"})
        self.ledger = Ledger(self.settings.ledger)
        self._weeks = weeks
        last_run = lived.replace(minute=0)
        coming = [one for one in weeks.deliveries if one.delivered > last_run]
        self._to_list = sorted(coming, key=lambda one: one.delivered, reverse=True)
        self._to_publish: list[Delivery] = []
        self._next_run = last_run + HOUR

    def save(self, path: Path) -> None:
        """Write the ledger as it is to another file."""
        with self.ledger.database.read() as connection:
            connection.exec_driver_sql(f"VACUUM INTO '{path}'")

    def at(self, now: datetime) -> Report:
        """What the monitors find at a time. Times may only go forward."""
        self.live_until(now)
        return look(read_snapshot(self.ledger, self.settings, now=now))

    def live_until(self, now: datetime) -> None:
        """Do the hourly runs up to a time. A run lists at the full hour and publishes when its objects are loaded."""
        runs, new = [], []
        while self._next_run <= now:
            run, self._next_run = self._next_run, self._next_run + HOUR
            if not self._weeks.paused(run):
                failures = self._weeks.failures(run)
                new += self._list(run, failures)
                runs += [_manifest(run, log_type, failures) for log_type in (DNS, FLOW)]
        self._to_publish += new
        published = [one for one in self._to_publish if one.published is not None and one.published <= now]
        done = {id(one) for one in published}
        self._to_publish = [one for one in self._to_publish if id(one) not in done]
        self._write(runs, new, published, now)

    def _list(self, run: datetime, failures: Sequence[ListingFailure]) -> list[Delivery]:
        seen, unseen = [], []
        while self._to_list and self._to_list[-1].delivered <= run:
            one = self._to_list.pop()
            hidden = any((f.source, f.account) == (_source(one.site), one.site.account) for f in failures)
            (unseen if hidden else seen).append(one)
        self._to_list += reversed(unseen)
        for one in seen:
            one.seen = run
        return seen

    def _write(self, runs: list[dict[str, Any]], new: list[Delivery], published: list[Delivery], now: datetime) -> None:
        with self.ledger.database.write() as connection:
            if runs:
                connection.execute(insert(manifests), runs)
            if new:
                connection.execute(insert(objects), [_row(one) for one in new])
            if published:
                values = {
                    name: bindparam(f"to_{name}") for name in ("state", "reason", "rows", "refused", "settled_at")
                }
                statement = update(objects).where(objects.c.identity == bindparam("of")).values(values)
                connection.execute(statement, [_published(one) for one in published])
            for (log_type, account, region, day), why in list(self._weeks.failed.items()):
                if now >= datetime(day.year, day.month, day.day, 1, tzinfo=UTC):
                    del self._weeks.failed[log_type, account, region, day]
                    connection.execute(insert(partitions).values(_failed(log_type, account, region, day, why, now)))


def hours(first: datetime, last: datetime, step: int = 1) -> list[datetime]:
    """The times at which the monitors look: half past."""
    count = int((last - first) / HOUR)
    return [first + number * HOUR + HOUR / 2 for number in range(0, count, step)]


def alarms(found: Sequence[MonitorFinding]) -> set[str]:
    """The keys of what somebody would be told."""
    return {one.key for one in found if one.severity != "info"}


def _source(site: Site) -> str:
    return "dns" if site.log_type is DNS else "flow"


def _row(one: Delivery) -> dict[str, Any]:
    site = one.site
    key = (
        f"AWSLogs/{site.account}/{site.scope}/{one.time:%Y/%m/%d}/{site.scope}_{one.time:%Y%m%dT%H%MZ}_0123abcd.log.gz"
    )
    return {
        "identity": object_identity("logs", key, "e"),
        "source": _source(site),
        "log_type": site.log_type.value,
        "bucket": "logs",
        "key": key,
        "etag": "e",
        "size": 100,
        "last_modified": one.delivered,
        "account": site.account,
        "region": site.region,
        "day": one.time.date(),
        "scope": site.scope,
        "problem": None,
        "state": "listed",
        "first_seen": one.seen,
    }


def _published(one: Delivery) -> dict[str, Any]:
    counts = (
        {"to_rows": one.rows, "to_refused": one.refused} if one.state == "loaded" else {"to_rows": 0, "to_refused": 0}
    )
    state = {"to_state": one.state, "to_reason": one.reason, "to_settled_at": one.published}
    return {"of": _row(one)["identity"]} | counts | state


def _manifest(run: datetime, log_type: LogType, failures: Sequence[ListingFailure]) -> dict[str, Any]:
    mine = [dataclasses.asdict(one) for one in failures if one.source == ("dns" if log_type is DNS else "flow")]
    return {
        "hash": "",
        "log_type": log_type.value,
        "run_key": f"{log_type}_hourly/{run:%Y-%m-%dT%H}",
        "mode": "add",
        "created_at": run,
        "objects": 0,
        "bytes": 0,
        "batches": 0,
        "listing_failures": mine,
        "listed_until": run,
    }


def _failed(log_type: LogType, account: str, region: str, day: date, why: str, now: datetime) -> dict[str, Any]:
    place = {"log_type": log_type.value, "account": account, "region": region, "day": day}
    return place | {"state": "failed", "version": 0, "detail": why, "run_key": "run", "updated_at": now}
