"""S3 clients for sources, through the amazon provider's hook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from botocore.exceptions import BotoCoreError, ClientError

from vpclogs.errors import ConfigError
from vpclogs.s3.clients import CLIENT_CONFIG
from vpclogs.s3.errors import diagnose

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from vpclogs.config.sources import Source

__all__ = ["client_for"]


def client_for(source: Source) -> S3Client:
    """Return a client with the credentials of `source`: an Airflow connection, a role, a profile or boto3's default.

    Raises:
        ConfigError: the connection does not exist.
        S3RequestError: AWS refuses the role, or there are no credentials.
    """
    settings = _connection_settings(source.connection) if source.connection else _own_settings(source)
    settings.region_name = source.region or settings.region_name
    settings.endpoint_url = source.endpoint_url or settings.endpoint_url
    own = settings.botocore_config  # a connection's `config_kwargs`, which override ours
    settings.botocore_config = CLIENT_CONFIG.merge(own) if own else CLIENT_CONFIG
    hook = S3Hook(aws_conn_id=source.connection)
    # Set explicitly: the hook treats a missing connection as an empty one, and would read with whatever credentials
    # the worker happens to have.
    hook.conn_config = settings
    try:
        return cast("S3Client", hook.get_conn())
    except (BotoCoreError, ClientError) as error:
        raise diagnose(error, f"s3://{source.bucket}/{source.prefix}") from error


def _own_settings(source: Source) -> AwsConnectionWrapper:
    extra: dict[str, Any] = {}
    if source.profile:
        extra["profile_name"] = source.profile
    if source.role_arn:
        extra["role_arn"] = source.role_arn
        extra["assume_role_kwargs"] = {"ExternalId": source.external_id} if source.external_id else {}
    return cast("AwsConnectionWrapper", AwsConnectionWrapper.from_connection_metadata("vpclogs", extra=extra))


def _connection_settings(name: str) -> AwsConnectionWrapper:
    try:
        return AwsConnectionWrapper(_connection(name))
    except AirflowNotFoundException:
        raise ConfigError(
            f"there is no Airflow connection {name!r}: add it in Airflow (Admin, Connections) or as the "
            f"environment variable AIRFLOW_CONN_{name.upper()}, or correct `connection` in the configuration"
        ) from None


def _connection(name: str) -> Any:
    try:
        return BaseHook.get_connection(name)
    except AirflowNotFoundException:
        # Outside a task, as in the vpclogs command, that reads environment variables only. This reads Airflow's
        # database too, and in a task asks the same again.
        from airflow.models.connection import Connection

        return Connection.get_connection_from_secrets(name)
