"""Transient failures of a catalog, and retries of requests to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pyiceberg.exceptions import (
    CommitStateUnknownException,
    ServerError,
    ServiceUnavailableError,
    TooManyRequestsError,
)
from requests import RequestException
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from vpclogs.errors import CatalogUnavailable

__all__ = ["ATTEMPTS", "TRANSIENT", "patiently"]

ATTEMPTS = 6
"""Tries of one request: about four seconds in all, eight at most."""

TRANSIENT = (
    CommitStateUnknownException,
    ServerError,
    ServiceUnavailableError,
    TooManyRequestsError,
    RequestException,
)
"""429, 5xx, and connections that are refused, cut or time out. SQL catalogs raise none of these."""

T = TypeVar("T")


def patiently(call: Callable[[], T], what: str, *, sleep: Callable[[float], None]) -> T:
    """Return the result of a catalog request, retrying transient failures with jittered back-off.

    ``call`` must be idempotent. ``what`` names the request in messages, such as ``table vpclogs.vpc_dns``.

    Raises:
        CatalogUnavailable: all attempts failed.
    """
    retrying = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        # Jitter: hundreds of mapped tasks reach the catalog at the same moment.
        wait=wait_random_exponential(multiplier=0.25, max=5.0),
        retry=retry_if_exception_type(TRANSIENT),
        sleep=sleep,
        reraise=True,
    )
    try:
        return retrying(call)
    except TRANSIENT as error:
        raise CatalogUnavailable(
            f"{what}: the catalog failed {ATTEMPTS} times, at last with {type(error).__name__}: {error}. "
            f"Rerun later; if it goes on, look at the catalog's own log, and check `catalog` with `vpclogs doctor`."
        ) from error
