"""Errors that no local server makes, by their one code and sentence."""

from __future__ import annotations

import pytest
from botocore import exceptions as boto

from vpclogs.reasons import REASONS
from vpclogs.s3.errors import diagnose

WHERE = "s3://logs/AWSLogs/"


def answer(operation: str, status: int, code: str) -> boto.ClientError:
    return boto.ClientError(
        {"Error": {"Code": code, "Message": "Said so."}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        operation,
    )


@pytest.mark.parametrize(
    ("error", "reason", "transient", "advice"),
    [
        (answer("AssumeRole", 403, "AccessDenied"), "denied", False, "trust policy"),
        (answer("ListObjectsV2", 403, "AccessDenied"), "denied", False, "s3:ListBucket"),
        (answer("GetObject", 403, "AccessDenied"), "denied", False, "s3:GetObject"),
        (answer("GetObject", 429, "TooManyRequests"), "throttled", True, "lower the threads"),
        (answer("AssumeRole", 400, "Throttling"), "throttled", True, "lower the threads"),
        (answer("GetObject", 400, "RequestTimeout"), "read_failed", True, "rerun later"),
        (answer("GetObject", 416, "InvalidRange"), "changed", False, "next run loads it"),
        (boto.NoCredentialsError(), "denied", False, "no usable AWS credentials"),
        (boto.ConnectTimeoutError(endpoint_url="http://x"), "read_failed", True, "rerun later"),
        (boto.EndpointConnectionError(endpoint_url="http://x"), "read_failed", True, "check the network"),
        (boto.ParamValidationError(report="Invalid bucket name"), "s3_rejected", False, "Invalid bucket name"),
        (ConnectionResetError("reset by peer"), "read_failed", True, "reset by peer"),
    ],
)
def test_each_error_has_one_code_and_a_sentence(error: Exception, reason: str, transient: bool, advice: str) -> None:
    trouble = diagnose(error, WHERE)

    assert (trouble.reason, trouble.transient) == (reason, transient)
    assert advice in trouble.detail
    assert WHERE in trouble.detail
    assert reason in REASONS
