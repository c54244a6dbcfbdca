"""Alerts: told once when new, again when open for long, once when over, to each listener."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vpclogs.config.monitor_settings import MonitorSettings, Notify
from vpclogs.findings import MonitorFinding, Severity
from vpclogs.ledger import Ledger
from vpclogs.monitors.notifications import errors_for_run, messages_for

NOON = datetime(2026, 3, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTINGS = MonitorSettings()
CHAT = Notify(notifier="example.Chat")


@pytest.fixture
def alerts(tmp_path):
    return Ledger(f"sqlite:///{tmp_path}/ledger.db").alerts


def finding(key: str, severity: Severity = Severity.WARNING) -> MonitorFinding:
    return MonitorFinding(key, key.partition("/")[0], severity, f"message of {key}")


def keep(alerts, keys, *, now=NOON, judged=("silence", "schema_drift"), severity=Severity.WARNING):
    found = [finding(key, severity) for key in keys]
    alerts.keep(found, judged=judged, now=now, quiet=timedelta(hours=SETTINGS.quiet_hours))


def tell(alerts, notify=CHAT, *, now=NOON):
    """The titles of what is told, and remember that it was."""
    messages = messages_for(notify, alerts, SETTINGS, now=now)
    for message in messages:
        alerts.mark_told(notify.label, message.alerts, now=now)
    return [message.title for message in messages]


def test_an_alert_is_told_once_when_it_is_new(alerts):
    keep(alerts, ["silence/dns/a"])

    assert tell(alerts) == ["vpclogs: message of silence/dns/a"]
    keep(alerts, ["silence/dns/a"], now=NOON + HOUR)
    assert tell(alerts, now=NOON + HOUR) == []


def test_several_alerts_are_one_message(alerts):
    keep(alerts, ["silence/dns/a", "silence/dns/b"])

    [message] = messages_for(CHAT, alerts, SETTINGS, now=NOON)

    assert message.title == "vpclogs: 2 new (warning)"
    assert message.text.count("[warning] message of silence/dns/") == 2


def test_a_notifier_may_want_one_message_for_each_alert(alerts):
    keep(alerts, ["silence/dns/a", "silence/dns/b"])

    messages = messages_for(CHAT.model_copy(update={"each": True}), alerts, SETTINGS, now=NOON)

    assert {message.key for message in messages} == {"silence/dns/a", "silence/dns/b"}


def test_what_is_open_for_long_is_told_again(alerts):
    keep(alerts, ["silence/dns/a"])
    tell(alerts)
    for hour in range(1, 25):
        keep(alerts, ["silence/dns/a"], now=NOON + hour * HOUR)

    assert tell(alerts, now=NOON + 23 * HOUR) == []
    assert tell(alerts, now=NOON + 24 * HOUR) == ["vpclogs: message of silence/dns/a"]
    assert tell(alerts, now=NOON + 25 * HOUR) == []


def test_an_acknowledged_alert_is_not_told_again_but_its_end_is(alerts):
    keep(alerts, ["silence/dns/a"])
    tell(alerts)
    (alert,) = alerts.all()
    assert alerts.acknowledge(alert.id, by="someone", note="known", now=NOON)
    keep(alerts, ["silence/dns/a"], now=NOON + 24 * HOUR)

    assert tell(alerts, now=NOON + 24 * HOUR) == []

    keep(alerts, [], now=NOON + 48 * HOUR)
    assert len(tell(alerts, now=NOON + 48 * HOUR)) == 1
    assert not alerts.acknowledge(alert.id, by="someone", note="late", now=NOON + 49 * HOUR)


def test_resolution_is_announced_once_and_not_early(alerts):
    keep(alerts, ["silence/dns/a"])
    tell(alerts)

    keep(alerts, [], now=NOON + HOUR)
    assert tell(alerts, now=NOON + HOUR) == []
    keep(alerts, [], now=NOON + 2 * HOUR)
    [message] = messages_for(CHAT, alerts, SETTINGS, now=NOON + 2 * HOUR)
    assert message.text.startswith("Over:")
    assert not message.open
    tell(alerts, now=NOON + 2 * HOUR)
    assert tell(alerts, now=NOON + 3 * HOUR) == []


def test_an_alert_that_comes_back_is_a_new_one(alerts):
    keep(alerts, ["silence/dns/a"])
    keep(alerts, [], now=NOON + 2 * HOUR)
    keep(alerts, ["silence/dns/a"], now=NOON + 5 * HOUR)

    assert [one.first_seen for one in alerts.all()] == [NOON + 5 * HOUR]
    assert len(alerts.all(only_open=False)) == 2


def test_what_could_not_be_looked_at_stays_open(alerts):
    keep(alerts, ["silence/dns/a"])

    keep(alerts, [], now=NOON + 9 * HOUR, judged=("volume_drop",))

    assert len(alerts.all()) == 1


def test_a_vpc_is_no_news_while_its_account_is_silent(alerts):
    keep(alerts, ["silence/dns/a/vpc-1"])
    tell(alerts)

    keep(alerts, ["silence/dns/a"], now=NOON + 3 * HOUR)
    assert tell(alerts, now=NOON + 3 * HOUR) == ["vpclogs: message of silence/dns/a"]
    assert len(alerts.all()) == 2


def test_the_end_of_what_only_changed_is_not_told(alerts):
    keep(alerts, ["schema_drift/dns/version/7"])
    tell(alerts)
    keep(alerts, [], now=NOON + 3 * HOUR)

    assert tell(alerts, now=NOON + 3 * HOUR) == []


def test_each_notifier_is_told_what_is_loud_enough_for_it(alerts):
    pager = Notify(notifier="example.Pager", severity=Severity.ERROR)
    keep(alerts, ["silence/dns/a"])

    assert tell(alerts, pager) == []
    assert len(tell(alerts)) == 1
    keep(alerts, ["silence/dns/a"], severity=Severity.ERROR)
    assert len(tell(alerts, pager)) == 1


def test_a_run_is_red_for_an_error_once(alerts):
    keep(alerts, ["silence/dns/a"], severity=Severity.ERROR)
    keep(alerts, ["silence/dns/a", "schema_drift/dns/x"], now=NOON)

    assert [one.key for one in errors_for_run(alerts, SETTINGS, now=NOON)] == []
    keep(alerts, ["silence/dns/a"], severity=Severity.ERROR, now=NOON)
    assert [one.key for one in errors_for_run(alerts, SETTINGS, now=NOON)] == ["silence/dns/a"]
    assert errors_for_run(alerts, SETTINGS, now=NOON + HOUR) == []


def test_notifiers_that_cannot_be_told_apart_are_refused():
    with pytest.raises(ValueError, match="give each a `name`"):
        MonitorSettings(notify=(CHAT, CHAT))
