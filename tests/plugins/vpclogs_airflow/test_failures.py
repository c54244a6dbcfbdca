"""Which errors Airflow retries."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from vpclogs.errors import (
    ConfigError,
    InvalidPartition,
    LedgerMismatch,
    PartitionsFailed,
    PublishConflict,
)
from vpclogs.s3.errors import S3RequestError
from vpclogs_airflow.failures import UnforeseenError, retry_only_transient


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("vpclogs.yaml:3: sources.0.bukcet: there is no such key"),
        InvalidPartition("no key"),
        LedgerMismatch("rebuild it"),
        S3RequestError("denied", "allow s3:ListBucket"),
        PartitionsFailed([("123456789012|us-west-2|2022-10-07", "two objects could not be read")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_permanent_error_fails_at_once_with_its_own_message(error):
    with pytest.raises(AirflowFailException) as caught, retry_only_transient():
        raise error

    assert str(caught.value) == str(error)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "error",
    [
        S3RequestError("throttled", "slow down"),
        PublishConflict("too many publishers"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_may_pass_is_left_to_airflows_retries(error):
    with pytest.raises(type(error)) as caught, retry_only_transient():
        raise error

    assert caught.value is error


def test_an_error_that_nobody_foresaw_is_retried_and_logged_escaped(caplog):
    with pytest.raises(UnforeseenError) as caught, retry_only_transient():
        raise ConnectionResetError("\x1b[2J\nvpclogs: published 5 partitions")

    assert str(caught.value) == r"ConnectionResetError: \x1b[2J\nvpclogs: published 5 partitions"
    assert caught.value.transient
    assert caught.value.__suppress_context__
    assert "retry_only_transient" in caplog.text
    assert caplog.text.replace("\n", "").isprintable()
    assert "\nvpclogs: published" not in caplog.text


def test_airflows_own_errors_go_through():
    with pytest.raises(AirflowSkipException), retry_only_transient():
        raise AirflowSkipException
