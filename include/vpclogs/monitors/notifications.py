"""What people are told of alerts: one message for all news, in plain text and HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from vpclogs.config.monitor_settings import MonitorSettings, Notify
from vpclogs.findings import Severity
from vpclogs.ledger.alerts import Alert, AlertChanges, AlertStore
from vpclogs.monitors.catalogue import MONITORS

__all__ = ["RUN", "Message", "errors_for_run", "messages_for", "messages_of"]

RUN = "the Airflow run"
"""The listener that hears of errors by a red run."""

_CHANGES = frozenset(monitor.name for monitor in MONITORS if not monitor.tells_end)
_LONGEST = 20  # alerts spelled out in each part of a message


@dataclass(frozen=True, slots=True)
class Message:
    """``key`` is set if it is about one alert only; ``open`` is false if it tells of ends only."""

    title: str
    text: str
    html: str
    severity: Severity
    open: bool
    key: str
    alerts: tuple[Alert, ...]


def messages_for(notify: Notify, alerts: AlertStore, settings: MonitorSettings, *, now: datetime) -> list[Message]:
    """What one notifier has to tell now; nothing if there is no news."""
    news = alerts.news(
        notify.label,
        severity=notify.severity,
        now=now,
        retell=timedelta(hours=settings.retell_hours),
        without_end=_CHANGES,
    )
    return messages_of(news, each=notify.each)


def messages_of(news: AlertChanges, *, each: bool = False) -> list[Message]:
    """One message for all, or one for each alert."""
    if not each:
        return [_message(news)] if news else []
    singles = [AlertChanges(new=(one,)) for one in news.new]
    singles += [AlertChanges(again=(one,)) for one in news.again]
    return [_message(one) for one in singles + [AlertChanges(ended=(one,)) for one in news.ended]]


def errors_for_run(alerts: AlertStore, settings: MonitorSettings, *, now: datetime) -> list[Alert]:
    """The open errors for which no run was red yet, or not for long; now one is."""
    retell = timedelta(hours=settings.retell_hours)
    news = alerts.news(RUN, severity=Severity.ERROR, now=now, retell=retell)
    alerts.mark_told(RUN, news.open + news.ended, now=now)
    return list(news.open)


def _message(news: AlertChanges) -> Message:
    alerts = news.open + news.ended
    loudest = max((one.severity for one in news.open or news.ended), key=list(Severity).index)
    parts = [part for part in (("new", news.new), ("still open", news.again), ("over", news.ended)) if part[1]]
    counts = ", ".join(f"{len(some)} {name}" for name, some in parts)
    title = f"vpclogs: {alerts[0].message}" if len(alerts) == 1 else f"vpclogs: {counts} ({loudest})"
    return Message(
        title=title if len(title) <= 150 else f"{title[:149]}…",
        text="\n".join(_lines(parts)),
        html="".join(f"<p>{escape(line)}</p>" for line in _lines(parts)),
        severity=loudest,
        open=bool(news.open),
        key=alerts[0].key if len(alerts) == 1 else "",
        alerts=alerts,
    )


def _lines(parts: Sequence[tuple[str, Sequence[Alert]]]) -> Iterator[str]:
    for name, alerts in parts:
        yield f"{name.capitalize()}:"
        for alert in alerts[:_LONGEST]:
            since = f"{alert.first_seen:%Y-%m-%d %H:%M} UTC"
            until = f", over since {alert.resolved_at:%Y-%m-%d %H:%M} UTC" if alert.resolved_at else ""
            advice = f"what to do: docs/quality.md#{alert.monitor}"
            yield f"[{alert.severity}] {alert.message} (since {since}{until}; {advice})"
        if len(alerts) > _LONGEST:
            yield f"and {len(alerts) - _LONGEST} more: vpclogs alerts"
