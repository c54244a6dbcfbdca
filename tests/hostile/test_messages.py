"""Names from logs neither forge headers, lines or markup of a message, nor stop other messages."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from email.header import decode_header, make_header
from html.parser import HTMLParser
from typing import Any, ClassVar

import pytest
from airflow.sdk import BaseNotifier

from tests.plugins.vpclogs_airflow.test_notifying import NOW, Deployment, post_office  # noqa: F401 - a fixture
from vpclogs.config.monitor_settings import Notify
from vpclogs.findings import MonitorFinding, Severity
from vpclogs.ledger.alerts import AlertChanges
from vpclogs.monitors.notifications import messages_of
from vpclogs_airflow.notifying import NotifiersFailed, send_all

HOSTILE = {
    "line feed": "a\nBcc: everyone@example.com",
    "carriage return": "a\r\n\r\n<script>alert(1)</script>",
    "next line": "a\x85Bcc: x",
    "line separator": "a\u2028Bcc: x\u2029y",
    "vertical tab": "a\x0bb\x0cc\x1cd\x1de\x1ef",
    "bidirectional override": "a\u202egnp.exe",
    "escape sequence": "a\x1b[2Jb\x07",
    "encoded word": "=?utf-8?q?=0ABcc:_x?=",
    "very long": "x" * 100_000,
    "mention of a channel": "<!channel> <!here> <@U123> @here @everyone",
    "link": "<http://evil.example|your console> & more",
    "markdown": "[click](http://evil.example) `code` *bold*",
    "template": "{{ 7 * 7 }} {% raw %}",
    "null": "a\0b",
}


class Channel(BaseNotifier):
    """Keeps what it would send; refuses a text that holds ``poison``."""

    template_fields = ("title", "text", "html_content")
    sent: ClassVar[list[Channel]] = []

    def __init__(self, subject: str = "", text: str = "", html_content: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.title, self.text, self.html_content = subject, text, html_content

    def notify(self, context: Any) -> None:
        if "poison" in self.text:
            raise ValueError("not deliverable\nforged line")
        Channel.sent.append(self)


class SlackChannel(Channel):
    """A channel of Slack, by its name."""


class DiscordChannel(Channel):
    """A channel of Discord, by its name."""


@pytest.fixture(autouse=True)
def channels(monkeypatch):
    Channel.sent.clear()
    monkeypatch.setitem(sys.modules, "channels_of_the_test", sys.modules[__name__])


def find(deployment: Deployment, *messages: str) -> None:
    found = [MonitorFinding(f"silence/dns/{n}", "silence", Severity.ERROR, text) for n, text in enumerate(messages)]
    deployment.ledger.alerts.keep(found, judged=("silence",), now=NOW, quiet=timedelta(hours=2))


@pytest.mark.parametrize("name", HOSTILE)
def test_title_is_one_line_and_text_has_none_forged(name, tmp_path):
    deployment = Deployment(tmp_path)
    find(deployment, HOSTILE[name])
    (message,) = messages_of(AlertChanges(new=tuple(deployment.ledger.alerts.all())))

    assert message.title.isprintable()
    assert len(message.title) <= 150
    assert len(message.text.splitlines()) == 2
    assert all(line.isprintable() for line in message.text.split("\n"))


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "null"])
def test_mail_has_the_headers_of_the_settings_only(name, tmp_path, post_office, monkeypatch):  # noqa: F811
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": post_office.server_address[1]}
    extra = {"disable_ssl": True, "disable_tls": True}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection | {"extra": extra}))
    kwargs = {"to": "team@example.com", "from_email": "vpclogs@example.com", "smtp_conn_id": "smtp_default"}
    path = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
    deployment = Deployment(tmp_path, Notify(notifier=path, kwargs=kwargs))
    find(deployment, HOSTILE[name])

    send_all(deployment, {}, now=NOW)

    [letter] = post_office.letters
    assert {key.lower() for key in letter} <= {
        "content-type", "mime-version", "subject", "from", "to", "date", "message-id",
    }  # fmt: skip
    assert str(make_header(decode_header(letter["Subject"]))).startswith("vpclogs: ")


class Tags(HTMLParser):
    """Collects the tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.add(tag)


@pytest.mark.parametrize("template", [None, "<b>{{ vpclogs.title }}</b><p>{{ vpclogs.text }}</p>"])
def test_html_has_no_tag_of_a_name(template, tmp_path):
    kwargs = {} if template is None else {"html_content": template}
    deployment = Deployment(tmp_path, Notify(notifier="channels_of_the_test.Channel", kwargs=kwargs))
    find(deployment, "<script>alert(1)</script><img src=x>")

    send_all(deployment, {}, now=NOW)

    tags = Tags()
    tags.feed(Channel.sent[0].html_content)
    assert tags.found <= {"b", "p"}
    assert "&lt;script&gt;" in Channel.sent[0].html_content


@pytest.mark.parametrize("kwargs", [{}, {"text": "{{ vpclogs.title }}: {{ vpclogs.text }}"}])
@pytest.mark.parametrize(
    ("channel", "forbidden"), [("SlackChannel", ["<!", "<@", "<http"]), ("DiscordChannel", ["@everyone", "@here"])]
)
def test_names_mention_nobody_and_are_no_links(channel, forbidden, kwargs, tmp_path):
    deployment = Deployment(tmp_path, Notify(notifier=f"channels_of_the_test.{channel}", kwargs=kwargs))
    find(deployment, HOSTILE["mention of a channel"], HOSTILE["link"])

    send_all(deployment, {}, now=NOW)

    assert "channel" in Channel.sent[0].text
    assert not [mark for mark in forbidden if mark in Channel.sent[0].text]


def test_unsendable_message_is_recorded_and_the_next_is_sent(tmp_path):
    notify = Notify(notifier="channels_of_the_test.Channel", each=True, name="chat")
    deployment = Deployment(tmp_path, notify)
    find(deployment, "fine", "poison", "good")

    for _ in range(2):
        with pytest.raises(NotifiersFailed, match=r"chat: ValueError: not deliverable\\nforged line"):
            send_all(deployment, {}, now=NOW)

    assert sorted(one.title for one in Channel.sent) == ["vpclogs: fine", "vpclogs: good"]
    told = {one.message: one.told["chat"] for one in deployment.ledger.alerts.all()}
    assert told["poison"]["failed"] == r"ValueError: not deliverable\nforged line"
    assert "failed" not in told["fine"]


def test_notifier_that_fails_each_time_is_left_to_the_retry(tmp_path):
    deployment = Deployment(tmp_path, Notify(notifier="channels_of_the_test.Channel", each=True, name="chat"))
    find(deployment, *(f"poison {number}" for number in range(9)))

    with pytest.raises(NotifiersFailed) as caught:
        send_all(deployment, {}, now=NOW)

    assert str(caught.value).count("ValueError") == 3
