"""Notifiers of the configuration: any class of any provider, and each told by itself."""

from __future__ import annotations

import json
import socketserver
import sys
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from threading import Thread

import pytest
from airflow.sdk import BaseNotifier

from vpclogs.config.monitor_settings import MonitorSettings, Notify
from vpclogs.findings import MonitorFinding, Severity
from vpclogs.ledger import Ledger
from vpclogs_airflow.notifying import NotifiersFailed, send_all

NOW = datetime(2026, 3, 24, 12, tzinfo=UTC)
SENT: list[dict[str, str]] = []


class Letter(BaseNotifier):
    """Keeps what it is told, as a provider's notifier would send it."""

    template_fields = ("to", "subject", "text")

    def __init__(self, to: str, subject: str = "", text: str = "", **kwargs) -> None:
        super().__init__(**kwargs)
        self.to, self.subject, self.text = to, subject, text

    def notify(self, context) -> None:
        if self.to == "nowhere":
            raise ConnectionRefusedError("no such host")
        SENT.append({"to": self.to, "subject": self.subject, "text": self.text})


LETTER = "letters_of_the_test.Letter"


@pytest.fixture(autouse=True)
def empty_letter_box(monkeypatch):
    SENT.clear()
    # pytest imports this file under a name of its own
    monkeypatch.setitem(sys.modules, "letters_of_the_test", sys.modules[__name__])


class PostOffice(socketserver.StreamRequestHandler):
    """As much SMTP as it takes to accept a letter."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.letters.append(message_from_bytes(text))
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 good\r\n")
            if verb == b"QUIT":
                return


@pytest.fixture
def post_office():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), PostOffice) as server:
        server.letters = []
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Deployment:
    """What `send_all` needs of a pipeline."""

    def __init__(self, folder: Path, *notify: Notify) -> None:
        self.ledger = Ledger(f"sqlite:///{folder}/ledger.db")
        self.settings = type("Settings", (), {"monitors": MonitorSettings(notify=notify)})

    def find(self, *keys: str, severity: Severity = Severity.ERROR, now: datetime = NOW) -> None:
        found = [MonitorFinding(key, key.partition("/")[0], severity, f"about {key} {{{{ 7 * 7 }}}}") for key in keys]
        self.ledger.alerts.keep(found, judged=("silence",), now=now, quiet=timedelta(hours=2))


def test_a_notifier_gets_the_alerts_in_its_own_arguments(tmp_path):
    deployment = Deployment(tmp_path, Notify(notifier=LETTER, kwargs={"to": "team"}))
    deployment.find("silence/dns/a", "silence/dns/b")

    assert send_all(deployment, {}, now=NOW) == {"Letter": 1}
    assert SENT[0]["subject"] == "vpclogs: 2 new (error)"
    assert "about silence/dns/a" in SENT[0]["text"]


def test_what_an_alert_says_is_never_a_template(tmp_path):
    deployment = Deployment(tmp_path, Notify(notifier=LETTER, kwargs={"to": "team"}))
    deployment.find("silence/dns/a")

    send_all(deployment, {}, now=NOW)

    assert "{{ 7 * 7 }}" in SENT[0]["text"]


def test_templates_of_the_configuration_see_the_message(tmp_path):
    kwargs = {
        "to": "team",
        "subject": "{{ vpclogs.severity }} {{ 'open' if vpclogs.open else 'over' }} {{ vpclogs.key }}",
    }
    deployment = Deployment(tmp_path, Notify(notifier=LETTER, kwargs=kwargs, each=True))
    deployment.find("silence/dns/a", "silence/dns/b")
    send_all(deployment, {}, now=NOW)
    deployment.find(now=NOW + timedelta(hours=2))
    send_all(deployment, {}, now=NOW + timedelta(hours=2))

    assert sorted(one["subject"] for one in SENT) == [
        "error open silence/dns/a",
        "error open silence/dns/b",
        "error over silence/dns/a",
        "error over silence/dns/b",
    ]


def test_failing_notifier_is_named_and_others_send_once(tmp_path):
    bad = Notify(notifier=LETTER, kwargs={"to": "nowhere"}, name="chat")
    missing = Notify(notifier="airflow.providers.pigeon.PigeonNotifier")
    good = Notify(notifier=LETTER, kwargs={"to": "team"}, name="mail")
    deployment = Deployment(tmp_path, bad, missing, good)
    deployment.find("silence/dns/a")

    for _ in range(2):
        with pytest.raises(NotifiersFailed, match=r"chat: ConnectionRefusedError(.|\n)*PigeonNotifier: ModuleNotFound"):
            send_all(deployment, {}, now=NOW)

    assert [one["to"] for one in SENT] == ["team"]


def test_mail_goes_out_by_the_smtp_provider(tmp_path, post_office, monkeypatch):
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": post_office.server_address[1]}
    extra = {"disable_ssl": True, "disable_tls": True}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection | {"extra": extra}))
    kwargs = {"to": "team@example.com", "from_email": "vpclogs@example.com", "smtp_conn_id": "smtp_default"}
    path = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
    deployment = Deployment(tmp_path, Notify(notifier=path, kwargs=kwargs))
    deployment.find("silence/dns/a")

    send_all(deployment, {}, now=NOW)

    [letter] = post_office.letters
    body = letter.get_payload()[0].get_payload(decode=True).decode()
    assert letter["Subject"].startswith("vpclogs: about silence/dns/a")
    assert "about silence/dns/a" in body
