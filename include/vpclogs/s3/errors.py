"""Diagnosis of failed S3 requests: a reason code, one sentence, and retries for transient failures."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from typing import TypeVar

from botocore import exceptions as boto
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from urllib3.exceptions import HTTPError

from vpclogs.errors import VpcLogsError

__all__ = ["ATTEMPTS", "S3RequestError", "diagnose", "patiently"]

ATTEMPTS = 5
"""Tries of one request, each with botocore's own retries inside."""

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 20.0

# A body that is cut off raises urllib3's and http.client's errors, which botocore does not wrap.
_ERRORS = (boto.BotoCoreError, boto.ClientError, HTTPError, HTTPException, OSError)
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.ProfileNotFound,
    boto.TokenRetrievalError,
    boto.NoAuthTokenError,
    boto.SSOError,
)
_MALFORMED = (
    boto.ValidationError,
    boto.ParamValidationError,
    boto.BaseEndpointResolverError,
    boto.MissingParametersError,
)
_DENIED_CODES = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired"}  # these come with status 400
_THROTTLED_CODES = {"SlowDown", "RequestLimitExceeded", "TooManyRequestsException", "503"}

T = TypeVar("T")


class S3RequestError(VpcLogsError):
    """A request that failed permanently. ``reason`` is a code of `vpclogs.reasons`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.transient = reason in ("throttled", "read_failed")


def patiently(call: Callable[[], T], where: str, *, sleep: Callable[[float], None], attempts: int = ATTEMPTS) -> T:
    """Return the result of a request, retrying transient failures with jittered back-off.

    ``where`` is the URL for messages, such as ``s3://bucket/key``.

    Raises:
        S3RequestError: the request failed permanently, or all attempts did.
    """

    def attempt() -> T:
        try:
            return call()
        except _ERRORS as error:
            raise diagnose(error, where) from error

    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS),
        retry=retry_if_exception(lambda error: isinstance(error, S3RequestError) and error.transient),
        sleep=sleep,
        reraise=True,
    )
    return retrying(attempt)


def diagnose(error: Exception, where: str) -> S3RequestError:
    """Return the diagnosis of an error of boto3 or of the network below it."""
    if isinstance(error, boto.ClientError):
        return _answered(error, where)
    if isinstance(error, _NO_CREDENTIALS):
        return S3RequestError("denied", f"there are no usable AWS credentials to read {where}: {error}")
    if isinstance(error, _MALFORMED):
        return S3RequestError("s3_rejected", f"{where} cannot be requested: {error}")
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        advice = "rerun later, and if it stays so check the network and endpoint_url of the source"
        return S3RequestError("read_failed", f"no answer for {where} ({error}); {advice}")
    return S3RequestError("read_failed", f"{where} could not be read ({type(error).__name__}: {error}); rerun later")


def _answered(error: boto.ClientError, where: str) -> S3RequestError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", "")).rstrip(".")
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    # "Throttling", "ThrottlingException", "RequestThrottled": services differ in case and ending.
    if code in _THROTTLED_CODES or "hrottl" in code or status in (429, 503):
        return S3RequestError("throttled", f"S3 kept asking to slow down for {where}; rerun later or lower the threads")
    if status >= 500 or code == "RequestTimeout":
        return S3RequestError("read_failed", f"S3 failed with {status} {code} for {where}; rerun later")
    if code == "InvalidObjectState":
        return S3RequestError("archived", f"{where} is in an archive storage class; restore it, then rerun")
    # S3 reports a refused kms:Decrypt as AccessDenied with the action in its message.
    if code.startswith("KMS") or "kms:" in message.lower():
        return S3RequestError(
            "kms_denied",
            f"{where} is encrypted and KMS refuses to decrypt it ({message}); allow kms:Decrypt on its key "
            "to whoever reads, in the key policy and the role, then rerun",
        )
    if status in (401, 403) or code in _DENIED_CODES:
        return _denied(error.operation_name, code, message, where)
    # A HEAD has no body, so its code is just "404".
    if code in ("NoSuchKey", "NoSuchVersion") or (status == 404 and code != "NoSuchBucket"):
        return S3RequestError("gone", f"{where} was deleted after it was listed")
    if status in (412, 416):  # 416: the object is now shorter than the requested range
        return S3RequestError("changed", f"{where} was rewritten after it was listed; the next run loads it")
    return S3RequestError(
        "s3_rejected",
        f"S3 answered {status} {code} ({message}) for {where}; check bucket, region and endpoint_url of the source",
    )


def _denied(operation: str, code: str, message: str, where: str) -> S3RequestError:
    if operation.startswith("AssumeRole"):
        advice = "add the identity that runs vpclogs to its trust policy, and check external_id"
        return S3RequestError("denied", f"STS refuses the role to read {where} ({message}); {advice}")
    # InvalidAccessKeyId, SignatureDoesNotMatch, RequestTimeTooSkewed: no policy would help.
    if code not in ("AccessDenied", "403", "AllAccessDisabled"):
        return S3RequestError("denied", f"S3 does not accept the credentials for {where}: {code} ({message})")
    action = "s3:ListBucket" if operation.startswith("List") else "s3:GetObject"
    return S3RequestError(
        "denied",
        f"S3 refuses {action} on {where}; allow it in the bucket policy and in the reader's own policy, then rerun",
    )
