"""Messages about alerts, in plain text and HTML.

Messages hold names that come from logs. Control characters are escaped, so that a title is one line and a line of
the text cannot be forged. `Message.in_markup` and `Message.in_html` escape the markup of the channel that shows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from html import escape

from vpclogs.config.monitor_settings import MonitorSettings, Notify
from vpclogs.findings import Severity
from vpclogs.foreign_text import shown
from vpclogs.ledger.alerts import Alert, AlertChanges, AlertStore
from vpclogs.monitors.catalogue import MONITORS

__all__ = ["RUN", "Message", "errors_for_run", "messages_for", "messages_of"]

RUN = "the Airflow run"
"""The listener that hears of errors by a red run."""

_CHANGES = frozenset(monitor.name for monitor in MONITORS if not monitor.tells_end)
_LONGEST = 20  # alerts spelled out in each part of a message
_TITLE = 150  # characters; providers cut or refuse longer subjects
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# A name such as <!channel> or @everyone would notify a whole channel.
_MARKUP: Mapping[str, Callable[[str], str]] = {
    "slack": lambda text: text.translate(_SLACK),
    "discord": lambda text: re.sub(r"([\\`*_~|<>])", r"\\\1", text).replace("@", "@\u200b"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """A message about one or several alerts.

    ``key`` is set if it is about one alert only. ``open`` is False if all its alerts are resolved.
    """

    title: str
    text: str
    html: str
    severity: Severity
    open: bool
    key: str
    alerts: tuple[Alert, ...]

    def in_markup(self, notifier: str) -> Message:
        """Return the message escaped for the channel of a notifier, which is known by its class's path."""
        # Providers are found by the class's path, so that no provider package need be installed or imported.
        for name, escaped in _MARKUP.items():
            if name in notifier.lower():
                return replace(self, title=escaped(self.title), text=escaped(self.text))
        return self

    @property
    def in_html(self) -> Message:
        """The message with its title and text escaped for HTML."""
        return replace(self, title=escape(self.title), text=escape(self.text))


def messages_for(notify: Notify, alerts: AlertStore, settings: MonitorSettings, *, now: datetime) -> list[Message]:
    """Return the messages that one notifier has yet to send."""
    news = alerts.news(
        notify.label,
        severity=notify.severity,
        now=now,
        retell=timedelta(hours=settings.retell_hours),
        without_end=_CHANGES,
    )
    return messages_of(news, each=notify.each)


def messages_of(news: AlertChanges, *, each: bool = False) -> list[Message]:
    """Return one message for all changes, or one for each alert."""
    if not each:
        return [_message(news)] if news else []
    singles = [AlertChanges(new=(one,)) for one in news.new]
    singles += [AlertChanges(again=(one,)) for one in news.again]
    return [_message(one) for one in singles + [AlertChanges(ended=(one,)) for one in news.ended]]


def errors_for_run(alerts: AlertStore, settings: MonitorSettings, *, now: datetime) -> list[Alert]:
    """Return the open errors that no run has failed for yet, or not recently, and record that one does now."""
    retell = timedelta(hours=settings.retell_hours)
    news = alerts.news(RUN, severity=Severity.ERROR, now=now, retell=retell)
    alerts.mark_told(RUN, news.open + news.ended, now=now)
    return list(news.open)


def one_line(text: str) -> str:
    """Return text as one line: white space becomes blanks, other control characters are escaped."""
    return shown(" ".join(text.split()))


def _message(news: AlertChanges) -> Message:
    alerts = news.open + news.ended
    loudest = max((one.severity for one in news.open or news.ended), key=list(Severity).index)
    parts = [part for part in (("new", news.new), ("still open", news.again), ("over", news.ended)) if part[1]]
    counts = ", ".join(f"{len(some)} {name}" for name, some in parts)
    title = f"vpclogs: {one_line(alerts[0].message)}" if len(alerts) == 1 else f"vpclogs: {counts} ({loudest})"
    return Message(
        title=title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…",
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
            yield f"[{alert.severity}] {one_line(alert.message)} (since {since}{until}; {advice})"
        if len(alerts) > _LONGEST:
            yield f"and {len(alerts) - _LONGEST} more: vpclogs alerts"
