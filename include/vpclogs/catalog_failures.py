"""What a catalog answers when it is in trouble for a moment, and how it is asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    ServerError,
    ServiceUnavailableError,
    TooManyRequestsError,
    ValidationException,
)
from requests import RequestException
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from vpclogs.errors import CatalogUnavailable

__all__ = ["ATTEMPTS", "UNDECIDED", "patiently"]

ATTEMPTS = 6
"""Tries of one request: some four seconds in all, eight at most."""

# 429, 5xx, and connections that are refused, cut or time out. SQL catalogs raise none of these.
_PASSING = (
    CommitStateUnknownException,
    ServerError,
    ServiceUnavailableError,
    TooManyRequestsError,
    RequestException,
)

UNDECIDED = (CommitFailedException, ValidationException, *_PASSING)
"""What a commit may raise although it was not wrong. The catalog may have taken it all the
same: whoever made it has to load the table again and look."""

T = TypeVar("T")


def patiently(call: Callable[[], T], what: str, *, sleep: Callable[[float], None]) -> T:
    """Ask a catalog, again with jittered back-off while its trouble may pass.

    ``call`` has to be such that doing it twice does what doing it once does. ``what`` is for
    the message, such as ``table vpclogs.vpc_dns``.

    Raises:
        CatalogUnavailable: the trouble did not pass.
    """
    retrying = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.25, max=5.0),
        retry=retry_if_exception_type(_PASSING),
        sleep=sleep,
        reraise=True,
    )
    try:
        return retrying(call)
    except _PASSING as error:
        raise CatalogUnavailable(
            f"{what}: the catalog failed {ATTEMPTS} times, at last with {type(error).__name__}: {error}. "
            f"Rerun later; if it goes on, look at the catalog's own log, and check `catalog` with `vpclogs doctor`."
        ) from error
