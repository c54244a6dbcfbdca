"""S3 clients without Airflow: from a profile, a role, or boto3's default credentials."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError

from vpclogs.errors import ConfigError, S3Denied

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from vpclogs.sources import Source

__all__ = ["CLIENT_CONFIG", "client_for"]

ENTRY_POINTS = "vpclogs.clients"
"""Group of callables (source) -> S3 client, for sources that name an Airflow connection."""

CLIENT_CONFIG = Config(
    max_pool_connections=64,  # the most threads that limits allow; connections open only when used
    connect_timeout=10,
    read_timeout=60,
    tcp_keepalive=True,
    # The library tries again around this, so an outage costs the product of both.
    retries={"mode": "standard", "total_max_attempts": 3},
)


def client_for(source: Source) -> S3Client:
    """A client that reads as ``source`` says.

    Raises:
        ConfigError: the source names an Airflow connection and Airflow is not here, or the profile does not exist.
        S3Denied: there are no credentials to assume the role with.
    """
    if source.connection:
        return _from_airflow(source)
    try:
        session = boto3.Session(profile_name=source.profile, region_name=source.region)
    except BotoCoreError as error:
        raise ConfigError(f"source {source.name}: {error}; correct `profile` or add it to ~/.aws/config") from error
    if source.role_arn:
        session = _in_role(session, source)
    config = CLIENT_CONFIG
    if source.endpoint_url:  # servers other than AWS rarely have a host name for each bucket
        config = config.merge(Config(s3={"addressing_style": "path"}))
    region = session.region_name or "us-east-1"  # from any region S3 tells botocore the bucket's
    return session.client("s3", region_name=region, endpoint_url=source.endpoint_url, config=config)


def _from_airflow(source: Source) -> S3Client:
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            make = cast("Callable[[Source], S3Client]", entry.load())
        except ModuleNotFoundError:
            continue  # the plugin is installed, Airflow is not
        return make(source)
    raise ConfigError(
        f"source {source.name} names the Airflow connection {source.connection}, and Airflow is not installed here: "
        f"run this where Airflow is, or give the source a profile or role_arn instead"
    )


def _in_role(base: boto3.Session, source: Source) -> boto3.Session:
    """A session in the source's role, which it assumes at its first request and again before it expires."""
    if base.get_credentials() is None:
        raise S3Denied(f"source {source.name}: there are no AWS credentials to assume {source.role_arn} with")
    sts = base.client("sts", region_name=base.region_name or "us-east-1", config=CLIENT_CONFIG)
    request: dict[str, Any] = {"RoleArn": source.role_arn, "RoleSessionName": f"vpclogs-{source.name}"[:64]}
    if source.external_id:
        request["ExternalId"] = source.external_id

    def assume() -> dict[str, str]:
        given = sts.assume_role(**request)["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    session = botocore.session.get_session()
    # botocore's public API sets fixed credentials only; boto3's own documentation of refreshing does this.
    session._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]
        refresh_using=assume, method="assume-role"
    )
    return boto3.Session(botocore_session=session, region_name=base.region_name)
