"""Clients against a real S3 server; a small STS stands in for the one thing that server lacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs

import pytest
from botocore.exceptions import ClientError

from demo.seaweed import ADMIN, READER, Seaweed
from vpclogs.config.sources import Source
from vpclogs.errors import ConfigError
from vpclogs.s3.errors import S3RequestError
from vpclogs_airflow.clients import client_for

ROLE = "arn:aws:iam::123456789012:role/reader"
EXTERNAL_ID = "tango-42"
ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken></SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
REFUSED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>not authorized to perform sts:AssumeRole</Message></Error></ErrorResponse>"""

MakeConnection = Callable[..., None]


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch, seaweed: Seaweed) -> MakeConnection:
    """Defines the Airflow connection ``logs`` as users do, here by its environment variable."""

    def define(user: str = READER, **extra: object) -> None:
        value = {
            "conn_type": "aws",
            "login": user,
            "password": seaweed.secrets[user],
            "extra": {"endpoint_url": seaweed.endpoint, "region_name": "us-east-1", **extra},
        }
        monkeypatch.setenv("AIRFLOW_CONN_LOGS", json.dumps(value))

    return define


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch, seaweed: Seaweed) -> Iterator[None]:
    """An STS that gives the role's credentials to whoever knows the external id."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            granted = asked["RoleArn"] == [ROLE] and asked.get("ExternalId") == [EXTERNAL_ID]
            body = ASSUMED.format(key=READER, secret=seaweed.secrets[READER]) if granted else REFUSED
            self.send_response(200 if granted else 403)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "whoever")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "runs-airflow")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield
    server.shutdown()
    server.server_close()


def source(bucket: str = "logs", **fields: object) -> Source:
    return Source.model_validate({"name": "test", "log_type": "vpc_dns", "bucket": bucket, **fields})


def test_a_connection_brings_its_credentials_and_endpoint(connection, bucket, s3):
    connection()
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")

    client = client_for(source(bucket, connection="logs"))

    assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_object(Bucket=bucket, Key="b", Body=b"a reader cannot write")


def test_clients_are_pooled_and_bounded_in_time(connection):
    connection()

    config = client_for(source(connection="logs")).meta.config

    assert (config.max_pool_connections, config.connect_timeout, config.read_timeout) == (64, 10, 60)


def test_what_a_connection_sets_itself_wins(connection):
    connection(config_kwargs={"read_timeout": 5, "s3": {"addressing_style": "path"}})

    config = client_for(source(connection="logs")).meta.config

    assert (config.read_timeout, config.s3, config.connect_timeout) == (5, {"addressing_style": "path"}, 10)


def test_source_may_override_endpoint_and_region_of_its_connection(connection, seaweed):
    connection(endpoint_url="http://127.0.0.1:1", region_name="us-east-1")

    client = client_for(source(connection="logs", endpoint_url=seaweed.endpoint, region="eu-west-1"))

    assert (client.meta.endpoint_url, client.meta.region_name) == (seaweed.endpoint, "eu-west-1")


def test_missing_connection_is_refused_not_replaced_by_worker_credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "whoever")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "runs-airflow")

    with pytest.raises(ConfigError, match=r"no Airflow connection 'nowhere'.*AIRFLOW_CONN_NOWHERE"):
        client_for(source(connection="nowhere"))


def test_outside_a_task_a_connection_stored_in_airflow_is_found(airflow_database):
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Connection(conn_id="stored", conn_type="aws", extra={"endpoint_url": "http://127.0.0.1:1"}))

    client = client_for(source(connection="stored"))

    assert client.meta.endpoint_url == "http://127.0.0.1:1"


@pytest.mark.usefixtures("sts")
def test_a_role_is_assumed_with_its_external_id(bucket, s3, seaweed):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    reads = source(bucket, role_arn=ROLE, external_id=EXTERNAL_ID, endpoint_url=seaweed.endpoint, region="us-east-1")

    client = client_for(reads)

    assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


@pytest.mark.usefixtures("sts")
@pytest.mark.parametrize("external_id", [None, "wrong"])
def test_refused_role_is_explained_and_not_retried(external_id):
    with pytest.raises(S3RequestError, match=r"STS refuses the role.*external_id") as caught:
        client_for(source(role_arn=ROLE, external_id=external_id))

    assert not caught.value.transient


def test_a_profile_reads_by_its_own_keys(monkeypatch, tmp_path, seaweed, bucket):
    keys = (
        f"[logs]\naws_access_key_id = {ADMIN}\naws_secret_access_key = {seaweed.secrets[ADMIN]}\nregion = us-east-1\n"
    )
    (tmp_path / "credentials").write_text(keys)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    client = client_for(source(bucket, profile="logs", endpoint_url=seaweed.endpoint, region="us-east-1"))

    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_profile_that_does_not_exist_is_named():
    with pytest.raises(S3RequestError, match="nobody"):
        client_for(source(profile="nobody"))
