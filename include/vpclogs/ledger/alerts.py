"""Alerts: monitor findings that stay open until they are no longer observed, and their notifications."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from vpclogs.findings import MonitorFinding, Severity
from vpclogs.ledger.database import Database
from vpclogs.ledger.monitor_tables import alerts

__all__ = ["Alert", "AlertStore", "AlertChanges"]

_BY, _NOTE = 200, 1000  # characters kept of a name and a note
_REASON = 500  # characters kept of the reason for which an alert could not be announced


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    ``told`` maps each notifier to the time it last announced the alert as open (``open``) and the time it announced
    the resolution (``end``), each None before that, and to the reason for which it could not (``failed``), if its last
    attempt failed. ``action`` is the advice of the monitor. A resolved alert that opens again is another alert, and
    nobody has acknowledged that one.
    """

    id: int
    key: str
    monitor: str
    severity: Severity
    message: str
    example: str | None
    action: str | None
    first_seen: datetime
    last_seen: datetime
    resolved_at: datetime | None
    told_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    told: Mapping[str, Mapping[str, str | None]]

    @property
    def open(self) -> bool:
        """True until the alert is resolved."""
        return self.resolved_at is None


@dataclass(frozen=True, slots=True)
class AlertChanges:
    """Alerts that one notifier has yet to announce: new, still open after a long time, or resolved."""

    new: tuple[Alert, ...] = ()
    again: tuple[Alert, ...] = ()
    ended: tuple[Alert, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.again or self.ended)

    @property
    def open(self) -> tuple[Alert, ...]:
        """The open alerts, new ones first."""
        return self.new + self.again


class AlertStore:
    """The table ``alerts``. At most one alert per key is open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(
        self, found: Iterable[MonitorFinding], *, judged: Collection[str], now: datetime, quiet: timedelta
    ) -> None:
        """Open an alert for each new finding and resolve alerts not observed for at least ``quiet``.

        ``judged`` names the monitors that ran. An alert of any other monitor stays open. An alert about one entity
        also stays open while a finding covers a larger entity that contains it.
        """
        by_key = {finding.key: finding for finding in found}
        with self._database.write() as connection:
            # Open alerts are few, however long the table's history is.
            open_keys = set()
            for row in connection.execute(select(alerts).where(alerts.c.resolved_at.is_(None))).all():
                open_keys.add(row.key)
                values = _next(row, by_key, judged, now, quiet)
                if values:
                    connection.execute(update(alerts).where(alerts.c.id == row.id).values(values))
            new = [_row(finding, now) for key, finding in by_key.items() if key not in open_keys]
            if new:
                connection.execute(insert(alerts), new)

    def all(self, *, only_open: bool = True) -> list[Alert]:
        """Return alerts by descending severity, then newest first."""
        query = select(alerts).order_by(alerts.c.id.desc())
        if only_open:
            query = query.where(alerts.c.resolved_at.is_(None))
        with self._database.read() as connection:
            return _loudest_first(_alert(row) for row in connection.execute(query))

    def news(
        self,
        listener: str,
        *,
        severity: Severity,
        now: datetime,
        retell: timedelta,
        without_end: Collection[str] = (),
    ) -> AlertChanges:
        """Return the alerts of at least ``severity`` that the notifier ``listener`` has yet to announce.

        A resolution is announced only where the alert was. Alerts of the monitors in ``without_end`` are announced
        once and never repeated or resolved.
        """
        new, again, ended = [], [], []
        # Resolutions stay news for a while only: after a long pause nobody wants those of last month.
        for alert in self._candidates(now - 2 * retell):
            told = alert.told.get(listener)
            if told is not None and told["open"] is None and told["end"] is None:
                told = None  # it tried, and failed
            # Their alerts are events, such as a failed check of one run: there is no later state to report.
            if told is not None and alert.monitor in without_end:
                continue
            if alert.open and list(Severity).index(alert.severity) >= list(Severity).index(severity):
                if told is None:
                    new.append(alert)
                elif alert.acknowledged_at is None and datetime.fromisoformat(str(told["open"])) <= now - retell:
                    again.append(alert)
            elif not alert.open and told is not None and told["end"] is None:
                ended.append(alert)
        return AlertChanges(*(tuple(_loudest_first(some)) for some in (new, again, ended)))

    def mark_told(self, listener: str, told: Sequence[Alert], *, now: datetime) -> None:
        """Record that ``listener`` announced the alerts in their current state."""
        with self._database.write() as connection:
            for alert in told:
                _mark(connection, alert, listener, now)

    def mark_failed(self, listener: str, failed: Sequence[Alert], reason: str) -> None:
        """Record that ``listener`` could not announce the alerts. It tries again in the next run."""
        with self._database.write() as connection:
            for alert in failed:
                told = dict(connection.scalar(select(alerts.c.told).where(alerts.c.id == alert.id)) or {})
                told[listener] = {"open": None, "end": None, **told.get(listener, {}), "failed": reason[:_REASON]}
                connection.execute(update(alerts).where(alerts.c.id == alert.id).values(told=told))

    def acknowledge(self, alert: int, *, by: str, note: str, now: datetime) -> bool:
        """Record that somebody has seen an open alert: notifiers do not repeat it. Return False if it is not open."""
        values = {"acknowledged_at": now, "acknowledged_by": by[:_BY], "note": note[:_NOTE]}
        with self._database.write() as connection:
            mine = (alerts.c.id == alert) & alerts.c.resolved_at.is_(None)
            return connection.execute(update(alerts).where(mine).values(values)).rowcount > 0

    def _candidates(self, resolved_after: datetime) -> list[Alert]:
        query = select(alerts).where(alerts.c.resolved_at.is_(None) | (alerts.c.resolved_at >= resolved_after))
        with self._database.read() as connection:
            return [_alert(row) for row in connection.execute(query)]


def _next(
    row: Row[Any], found: Mapping[str, MonitorFinding], judged: Collection[str], now: datetime, quiet: timedelta
) -> dict[str, object]:
    """Return the columns of an open alert that change."""
    if finding := found.get(row.key):
        told = {"severity": finding.severity.value, "message": finding.message, "example": finding.example}
        return told | {"action": finding.action, "last_seen": now}
    # Keys are paths from large entities to small: source/account/region/VPC.
    if any(row.key.startswith(f"{key}/") for key in found):
        return {"last_seen": now}
    if row.monitor in judged and now - row.last_seen >= quiet:
        return {"resolved_at": now}
    return {}


def _mark(connection: Connection, alert: Alert, listener: str, now: datetime) -> None:
    told = dict(connection.scalar(select(alerts.c.told).where(alerts.c.id == alert.id)) or {})
    if alert.open:
        told[listener] = {"open": now.isoformat(), "end": None}
    else:
        told[listener] = {"open": told.get(listener, {}).get("open"), "end": now.isoformat()}
    connection.execute(update(alerts).where(alerts.c.id == alert.id).values(told=told, told_at=now))


def _row(finding: MonitorFinding, now: datetime) -> dict[str, object]:
    return {
        "key": finding.key,
        "monitor": finding.monitor,
        "severity": finding.severity.value,
        "message": finding.message,
        "example": finding.example,
        "action": finding.action,
        "first_seen": now,
        "last_seen": now,
        "told": {},
    }


def _alert(row: Row[Any]) -> Alert:
    values = {name: getattr(row, name) for name in Alert.__dataclass_fields__}
    return Alert(**values | {"severity": Severity(row.severity)})


def _loudest_first(found: Iterable[Alert]) -> list[Alert]:
    return sorted(found, key=lambda alert: (-list(Severity).index(alert.severity), -alert.id))
