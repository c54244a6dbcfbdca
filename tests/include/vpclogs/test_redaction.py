"""Redaction of secrets: by their form, and by the values that the settings and the environment hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vpclogs.config.settings import load_settings
from vpclogs.errors import ConfigError
from vpclogs.foreign_text import shown
from vpclogs.redaction import redacted, remember, secrets_of_environment, secrets_of_settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql+psycopg2://u:pAss@db:5432/x failed", "postgresql+psycopg2://u:***@db:5432/x failed"),
        ("postgresql://u@db/x?password=pAss&sslmode=require", "postgresql://u@db/x?password=***&sslmode=require"),
        ("http://t0ken@host/x", "http://***@host/x"),
        ("host=db password='p a s s' user=u", "host=db password=*** user=u"),
        ("{'s3.secret-access-key': 'pAss', 'type': 'rest'}", "{'s3.secret-access-key': '***', 'type': 'rest'}"),
        ('{"token": "a\\"b", "x": 1}', '{"token": \'***\', "x": 1}'),
        ("Authorization: AWS4-HMAC-SHA256 Credential=AKIA/2026, Sig", "Authorization: *** Credential=***, Sig"),
        ("sent Bearer eyJhbGciOi.J9-_x=", "sent Bearer ***"),
        ("X-Amz-Security-Token=abc&X-Amz-Date=1", "X-Amz-Security-Token=***&X-Amz-Date=1"),
    ],
)
def test_secrets_are_redacted_by_their_form(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/AWSLogs/123456789012/vpcflowlogs/us-west-2/2022/10/07/x.log.gz",
        "postgresql://u@db/x",
        "sqlite:////var/ledger.db?timeout=60",
        "123456789012|us-west-2|2022-10-07: 2 objects",
        "the bearer of this: see docs/quality.md",
        "12:30 http://localhost:8080/dags/a@b",
        "secrets of the settings, a token that is none, password: see docs",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_value_is_redacted_however_it_is_quoted() -> None:
    secret = "qz'7\"Ä/ x+\\1"
    remember([secret])

    for spelling in (secret, repr(secret), json.dumps(secret), "qz%277%22%C3%84%2F%20x%2B%5C1"):
        assert "qz" not in redacted(f"a {spelling} b")
        assert redacted(f"a {spelling} b").startswith("a ")


def test_a_short_value_is_redacted_as_a_word_only() -> None:
    remember(["kq7x"])

    assert redacted("kq7x, okq7xo") == "***, okq7xo"


def test_common_words_are_no_secrets() -> None:
    remember(["vpclogs", "true", "123", "12345"])

    assert redacted("vpclogs: true, 123 of 12345 objects") == "vpclogs: true, 123 of 12345 objects"


def test_settings_hold_secrets_under_telling_keys_and_in_urls() -> None:
    settings = {
        "ledger": "postgresql://u:in-url@db/x?password=in-query",
        "catalog": {"type": "rest", "credential": "client:of-client", "header.X-Api-Key": "of-header"},
        "monitors": {"notify": [{"kwargs": {"webhook": "of-webhook", "channel": "#ops"}}]},
        "sources": [{"bucket": "logs", "external_id": "of-the-role"}],
    }

    found = set(secrets_of_settings(settings))

    assert {"in-url", "in-query", "of-client", "of-header", "of-webhook", "of-the-role"} <= found
    assert not found & {"rest", "#ops", "logs", "u", "db"}


def test_the_environment_holds_secrets() -> None:
    env = {
        "AWS_SECRET_ACCESS_KEY": "of-aws",
        "PGPASSWORD": "of-postgres",
        "AIRFLOW_CONN_A": "aws://key:in-uri@/?region_name=x",
        "AIRFLOW_CONN_B": json.dumps({"login": "me", "password": "in-json"}),
        "PYICEBERG_CATALOG__X__TOKEN": "of-iceberg",
        "VPCLOGS_AIRFLOW_TOKEN": "of-airflow",
        "AWS_REGION": "us-east-1",
        "HOME": "/root",
    }

    found = set(secrets_of_environment(env))

    assert {"of-aws", "of-postgres", "in-uri", "in-json", "of-iceberg", "of-airflow"} <= found
    assert not found & {"us-east-1", "/root", "me"}


def test_complaints_about_settings_show_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "vpclogs.yaml"
    sources = "sources: [{name: a, log_type: vpc_dns, bucket: b1b}]"
    path.write_text(f"ledger: 'postgresql://u:Wr0ngPort@db:port/x'\n{sources}")

    with pytest.raises(ConfigError) as caught:
        load_settings(path, {})

    assert "vpclogs.yaml:1: ledger: the host or port of this URL cannot be read" in str(caught.value)
    assert "Wr0ngPort" not in str(caught.value)


def test_text_is_redacted_before_it_is_escaped() -> None:
    remember(["bell\x07secret"])

    assert shown("the bell\x07secret\x07") == r"the ***\x07"
