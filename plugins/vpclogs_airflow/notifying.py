"""Tell alerts through Airflow's notifiers, as the configuration names them.

A notifier renders its own templates once, with ``vpclogs`` in the context: the message
(`vpclogs.monitors.notifications.Message`). Nothing that comes from a log is ever a template.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from vpclogs.foreign_text import logger
from vpclogs.monitors.notifications import Message, messages_for

if TYPE_CHECKING:
    from vpclogs.config.monitor_settings import Notify
    from vpclogs.pipeline import Pipeline

__all__ = ["NotifiersFailed", "tell_all"]

_LOG = logger(__name__)

# Arguments of notifiers that say what is told, by the name that providers give them.
_DEFAULTS: Final = {
    "subject": "{{ vpclogs.title }}",
    "summary": "{{ vpclogs.title }}",
    "text": "{{ vpclogs.text }}",
    "message": "{{ vpclogs.text }}",
    "message_body": "{{ vpclogs.text }}",
    "html_content": "{{ vpclogs.html }}",
}


class NotifiersFailed(Exception):
    """Raised when some notifiers could not tell; the others have. A retry tries those again."""


def tell_all(pipeline: Pipeline, context: Mapping[str, Any], *, now: datetime) -> dict[str, int]:
    """Tell each notifier its news; how many messages each got.

    What was told is remembered at once and for each notifier, so one that fails makes
    no other tell twice.

    Raises:
        NotifiersFailed: names those that could not, and why.
    """
    settings, alerts = pipeline.settings.monitors, pipeline.ledger.alerts
    told: dict[str, int] = {}
    failures: list[str] = []
    for notify in settings.notify:
        for message in messages_for(notify, alerts, settings, now=now):
            _LOG.info("telling %s:\n%s", notify.label, message.text)
            try:
                _tell(notify, message, context)
            except Exception as error:  # whatever a provider raises must not keep the others from being told
                failures.append(f"{notify.label}: {type(error).__name__}: {error}")
                break
            alerts.mark_told(notify.label, message.alerts, now=now)
            told[notify.label] = told.get(notify.label, 0) + 1
    if failures:
        reasons = "\n".join(f"  {failure}" for failure in failures)
        raise NotifiersFailed(f"these could not tell of alerts, which `vpclogs alerts` shows:\n{reasons}")
    return told


def _tell(notify: Notify, message: Message, context: Mapping[str, Any]) -> None:
    notifier = _class_of(notify.notifier)
    accepted = inspect.signature(notifier.__init__).parameters
    defaults = {name: text for name, text in _DEFAULTS.items() if name in accepted}
    # made anew for each message: rendering replaces its templates
    notifier(**{**defaults, **notify.kwargs})({**context, "vpclogs": message})


def _class_of(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)
