"""Send alerts through the Airflow notifiers that the settings name.

A notifier renders its own templates once, with ``vpclogs`` in the context: the message
(`vpclogs.monitors.notifications.Message`). Nothing that comes from a log is ever a template.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from vpclogs.foreign_text import logger, shown
from vpclogs.monitors.notifications import Message, messages_for

if TYPE_CHECKING:
    from vpclogs.config.monitor_settings import Notify
    from vpclogs.pipeline import Pipeline

__all__ = ["NotifiersFailed", "send_all"]

_LOG = logger(__name__)

# The arguments of notifiers that take the content of a message, by the names that providers give them.
_DEFAULTS: Final = {
    "subject": "{{ vpclogs.title }}",
    "summary": "{{ vpclogs.title }}",
    "text": "{{ vpclogs.text }}",
    "message": "{{ vpclogs.text }}",
    "message_body": "{{ vpclogs.text }}",
    "html_content": "{{ vpclogs.html }}",
}


# A server that is down would otherwise cost one timeout for each message.
_MOST_FAILURES: Final = 3


class NotifiersFailed(Exception):
    """Raised when some messages could not be sent; the others have been. A retry sends those again."""


def send_all(pipeline: Pipeline, context: Mapping[str, Any], *, now: datetime) -> dict[str, int]:
    """Send each notifier's messages. Return the number of messages that each has sent.

    Each message is recorded at once, as sent or with the reason why not, so a retry sends no message twice and one
    that cannot be sent does not hold back the next. After three failures in a row a notifier is left to the retry.

    Raises:
        NotifiersFailed: names the notifiers that could not send a message, with the reasons.
    """
    settings, alerts = pipeline.settings.monitors, pipeline.ledger.alerts
    told: dict[str, int] = {}
    failures: list[str] = []
    for notify in settings.notify:
        in_a_row = 0
        for message in messages_for(notify, alerts, settings, now=now):
            _LOG.info("sending to %s:\n%s", notify.label, message.text)
            try:
                _send(notify, message, context)
            except Exception as error:  # providers raise anything; the other messages must be sent
                reason = shown(f"{type(error).__name__}: {error}")
                _LOG.error("%s did not send %s: %s", notify.label, message.title, reason)
                alerts.mark_failed(notify.label, message.alerts, reason)
                failures.append(f"{notify.label}: {reason}")
                in_a_row += 1
                if in_a_row == _MOST_FAILURES:
                    break
                continue
            in_a_row = 0
            alerts.mark_told(notify.label, message.alerts, now=now)
            told[notify.label] = told.get(notify.label, 0) + 1
    if failures:
        reasons = "\n".join(f"  {failure}" for failure in failures)
        raise NotifiersFailed(f"these messages were not sent; `vpclogs alerts` lists their alerts:\n{reasons}")
    return told


def _send(notify: Notify, message: Message, context: Mapping[str, Any]) -> None:
    notifier = _class_of(notify.notifier)
    accepted = inspect.signature(notifier.__init__).parameters
    defaults = {name: text for name, text in _DEFAULTS.items() if name in accepted}
    arguments = {**defaults, **notify.kwargs}
    if isinstance(template := notify.kwargs.get("html_content"), str):
        arguments["html_content"] = f"{{% set vpclogs = vpclogs.in_html %}}{template}"
    # created for each message, because rendering replaces the notifier's templates
    notifier(**arguments)({**context, "vpclogs": message.in_markup(notify.notifier)})


def _class_of(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)
