"""Clients without Airflow. STS is the one service that no local server offers, so there it is moto."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import RefreshableCredentials
from moto import mock_aws

from demo.seaweed import READER, Seaweed
from vpclogs.config.sources import Source
from vpclogs.errors import ConfigError, S3Denied
from vpclogs.s3 import clients
from vpclogs.s3.clients import client_for

pytestmark = pytest.mark.server

ROLE = "arn:aws:iam::111111111111:role/log-reader"


def source(**more: Any) -> Source:
    return Source.model_validate({"name": "logs", "log_type": "vpc_dns", "bucket": "some-bucket", **more})


@pytest.fixture(autouse=True)
def aws_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home: no credentials but those that a test gives."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return tmp_path


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """An AWS account with STS; gives the AssumeRole requests."""
    with mock_aws():  # it puts credentials of its own into the environment
        requests: list[dict[str, Any]] = []
        monkeypatch.setattr(clients, "boto3", _Recorded(requests))
        yield requests


class _Recorded:
    """boto3, with the parameters of each AssumeRole written down."""

    def __init__(self, requests: list[dict[str, Any]]) -> None:
        self._requests = requests

    def Session(self, **more: Any) -> boto3.Session:  # noqa: N802
        session = boto3.Session(**more)
        session.events.register(
            "provide-client-params.sts.AssumeRole", lambda params, **_: self._requests.append(params)
        )
        return session


def test_reads_with_a_profile_through_an_endpoint(seaweed: Seaweed, bucket: str, aws_home: Path) -> None:
    (aws_home / "credentials").write_text(
        f"[lab]\naws_access_key_id={READER}\naws_secret_access_key={seaweed.secrets[READER]}\n"
    )
    seaweed.client().put_object(Bucket=bucket, Key="a", Body=b"1")

    client = client_for(source(profile="lab", endpoint_url=seaweed.endpoint))

    assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"


def test_uses_the_default_credentials_and_the_region_of_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    client = client_for(source(region="eu-central-1"))

    assert client.meta.region_name == "eu-central-1"
    assert client.meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"
    assert client.meta.config.max_pool_connections == 64


def test_missing_profile_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"source logs: .*\(nobody\).*correct `profile`"):
        client_for(source(profile="nobody"))


def test_assumes_the_role_with_its_external_id(account: list[dict[str, Any]]) -> None:
    client = client_for(source(role_arn=ROLE, external_id="secret-handshake"))
    assert account == []  # not before it is needed

    client.list_buckets()

    assert account == [{"RoleArn": ROLE, "RoleSessionName": "vpclogs-logs", "ExternalId": "secret-handshake"}]
    assert _credentials(client).get_frozen_credentials().access_key.startswith("ASIA")


def test_assumes_the_role_again_before_it_expires(
    account: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_for(source(role_arn=ROLE))
    client.list_buckets()

    monkeypatch.setattr(_credentials(client), "_time_fetcher", lambda: datetime.now(UTC) + timedelta(minutes=58))
    client.list_buckets()

    assert len(account) == 2


class _SentError(Exception):
    """Ends a request where it would leave the process; its text is the URL."""


class _Unsent:
    """boto3, whose AssumeRole requests end with their URL instead of being sent."""

    def Session(self, **more: Any) -> boto3.Session:  # noqa: N802
        session = boto3.Session(**more)
        session.events.register("before-send.sts.AssumeRole", self._end)
        return session

    def _end(self, request: Any, **_: Any) -> None:
        raise _SentError(request.url)


@pytest.fixture
def unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(clients, "boto3", _Unsent())


@pytest.mark.parametrize(
    ("partition", "region", "environment", "sts", "s3"),
    [
        ("aws", None, None, "sts.us-east-1.amazonaws.com", "s3.amazonaws.com"),
        ("aws", None, "eu-west-1", "sts.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com"),
        ("aws", None, "us-gov-west-1", "sts.us-east-1.amazonaws.com", "s3.amazonaws.com"),
        ("aws-us-gov", None, None, "sts.us-gov-east-1.amazonaws.com", "s3.us-gov-east-1.amazonaws.com"),
        ("aws-us-gov", None, "us-east-1", "sts.us-gov-east-1.amazonaws.com", "s3.us-gov-east-1.amazonaws.com"),
        ("aws-us-gov", "us-gov-west-1", None, "sts.us-gov-west-1.amazonaws.com", "s3.us-gov-west-1.amazonaws.com"),
        ("aws-cn", None, None, "sts.cn-north-1.amazonaws.com.cn", "s3.cn-north-1.amazonaws.com.cn"),
        ("aws-cn", None, "cn-northwest-1", "sts.cn-northwest-1.amazonaws.com.cn", "s3.cn-northwest-1.amazonaws.com.cn"),
        ("aws-eusc", None, None, "sts.eusc-de-east-1.amazonaws.eu", "s3.eusc-de-east-1.amazonaws.eu"),
        ("aws-iso", None, None, "sts.us-iso-east-1.c2s.ic.gov", "s3.us-iso-east-1.c2s.ic.gov"),
    ],
)
def test_a_role_is_assumed_and_used_in_its_own_partition(
    partition: str,
    region: str | None,
    environment: str | None,
    sts: str,
    s3: str,
    unsent: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if environment:
        monkeypatch.setenv("AWS_DEFAULT_REGION", environment)
    role = f"arn:{partition}:iam::111111111111:role/log-reader"

    client = client_for(source(role_arn=role, region=region))

    assert client.meta.endpoint_url.removeprefix("https://") == s3
    with pytest.raises(_SentError, match=f"^https://{sts}/$"):
        client.list_buckets()


@pytest.mark.parametrize(
    ("partition", "region", "words"),
    [
        ("aws-us-gov", "us-east-1", "us-east-1 is in the partition aws, the role in aws-us-gov"),
        ("aws-moon", None, "does not know the partition aws-moon"),
    ],
)
def test_role_and_region_of_different_clouds_are_explained(
    partition: str, region: str | None, words: str, unsent: None
) -> None:
    with pytest.raises(ConfigError, match=words):
        client_for(source(role_arn=f"arn:{partition}:iam::111111111111:role/log-reader", region=region))


def test_a_role_without_credentials_to_assume_it_with_is_denied() -> None:
    with pytest.raises(S3Denied, match=f"no AWS credentials to assume {ROLE} with"):
        client_for(source(role_arn=ROLE))


def test_an_airflow_connection_is_left_to_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Source] = []
    monkeypatch.setattr(clients, "entry_points", _only(asked.append))

    client_for(source(connection="aws_logs"))

    assert [one.connection for one in asked] == ["aws_logs"]


@pytest.mark.parametrize("entries", [[], ["no_such_module_anywhere:client_for"]])
def test_an_airflow_connection_without_airflow_is_explained(
    monkeypatch: pytest.MonkeyPatch, entries: list[str]
) -> None:
    found = [EntryPoint("airflow", value, clients.ENTRY_POINTS) for value in entries]
    monkeypatch.setattr(clients, "entry_points", lambda group: found)

    with pytest.raises(ConfigError, match="source logs names the Airflow connection aws_logs, and Airflow is not"):
        client_for(source(connection="aws_logs"))


def _only(function: Any) -> Any:
    class Entry:
        def load(self) -> Any:
            return function

    return lambda group: [Entry()] if group == "vpclogs.clients" else []


def _credentials(client: Any) -> RefreshableCredentials:
    return client._request_signer._credentials  # type: ignore[no-any-return]
