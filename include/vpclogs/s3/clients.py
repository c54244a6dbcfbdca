"""S3 clients without Airflow: from a profile, a role, or boto3's default credentials."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, UnknownRegionError

from vpclogs.errors import ConfigError, S3Denied

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from vpclogs.config.sources import Source

__all__ = ["CLIENT_CONFIG", "client_for"]

ENTRY_POINTS = "vpclogs.clients"
"""Entry point group of callables (source) -> S3 client, for sources that name an Airflow connection."""

CLIENT_CONFIG = Config(
    max_pool_connections=64,  # the largest number of threads that limits allow; connections open on demand
    connect_timeout=10,
    read_timeout=60,
    tcp_keepalive=True,
    # The library retries around this, so an outage costs the product of both.
    retries={"mode": "standard", "total_max_attempts": 3},
)
"""The configuration of every client, those of Airflow's connections included."""


def client_for(source: Source) -> S3Client:
    """Return a client with the credentials of ``source``.

    Raises:
        ConfigError: the source names an Airflow connection but Airflow is not installed, or the profile does not exist.
        S3Denied: there are no credentials to assume the role with.
    """
    # Airflow's connections and secrets backends are the plugin's business.
    if source.connection:
        return _from_airflow(source)
    try:
        session = boto3.Session(profile_name=source.profile, region_name=source.region)
    except BotoCoreError as error:
        raise ConfigError(f"source {source.name}: {error}; correct `profile` or add it to ~/.aws/config") from error
    region = _region(session, source)
    if source.role_arn:
        session = _in_role(session, source, region)
    config = CLIENT_CONFIG
    if source.endpoint_url:  # servers other than AWS rarely have a host name for each bucket
        config = config.merge(Config(s3={"addressing_style": "path"}))
    region = session.region_name or "us-east-1"  # S3 redirects botocore to the bucket's region from any region
    return session.client("s3", region_name=region, endpoint_url=source.endpoint_url, config=config)


def _from_airflow(source: Source) -> S3Client:
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            make = cast("Callable[[Source], S3Client]", entry.load())
        except ModuleNotFoundError:
            continue  # the plugin is installed, but Airflow is not
        return make(source)
    raise ConfigError(
        f"source {source.name} names the Airflow connection {source.connection}, and Airflow is not installed here: "
        f"run this where Airflow is, or give the source a profile or role_arn instead"
    )


def _region(session: boto3.Session, source: Source) -> str:
    """Return the region to call S3 and STS in. S3 redirects botocore from there to the bucket's region.

    Each partition (aws, aws-cn, aws-us-gov, …) has its own endpoints and credentials, and a role works in its own
    partition only. So a region of the environment counts only if it is in the partition of the role.
    """
    chosen = session.region_name
    if source.role_arn is None:
        return chosen or "us-east-1"
    partition = source.role_arn.split(":")[1]
    # None is a region newer than the installed botocore: it may well be right.
    found = _partition_of(chosen, session)
    if chosen and found in (partition, None):
        return chosen
    if source.region:
        raise ConfigError(
            f"source {source.name}: the region {source.region} is in the partition {found}, the role in {partition}; "
            f"correct `region` or `role_arn`"
        )
    if partition == "aws":
        return "us-east-1"
    regions = session.get_available_regions("sts", partition)
    if not regions:
        raise ConfigError(
            f"source {source.name}: botocore does not know the partition {partition} of {source.role_arn}; "
            f"set `region`, or upgrade botocore"
        )
    return regions[0]


def _partition_of(region: str | None, session: boto3.Session) -> str | None:
    """Return the partition of a region, or None if botocore does not know it."""
    if region is None:
        return None
    try:
        return session.get_partition_for_region(region)
    except UnknownRegionError:
        return None


def _in_role(base: boto3.Session, source: Source, region: str) -> boto3.Session:
    """Return a session in the source's role, assumed at its first request and renewed before it expires."""
    if base.get_credentials() is None:
        raise S3Denied(f"source {source.name}: there are no AWS credentials to assume {source.role_arn} with")
    sts = base.client("sts", region_name=region, config=CLIENT_CONFIG)
    request: dict[str, Any] = {"RoleArn": source.role_arn, "RoleSessionName": f"vpclogs-{source.name}"[:64]}
    if source.external_id:
        request["ExternalId"] = source.external_id

    # Called again shortly before the credentials expire: a backfill outlasts the hour of a role session.
    def assume() -> dict[str, str]:
        given = sts.assume_role(**request)["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    session = botocore.session.get_session()
    # botocore's public API sets only fixed credentials; boto3's documentation of refreshing does this.
    session._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]
        refresh_using=assume, method="assume-role"
    )
    return boto3.Session(botocore_session=session, region_name=region)
