"""Commits whose outcome a catalog may leave open, and their retries."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from pyiceberg.exceptions import CommitFailedException, ValidationException

from vpclogs.errors import PublishConflict
from vpclogs.warehouse.catalog_errors import TRANSIENT

__all__ = ["UNDECIDED", "backoff", "commit"]

UNDECIDED = (CommitFailedException, ValidationException, *TRANSIENT)
"""Errors of a commit with an unknown outcome. The catalog may have accepted it, so the committer has to load the
table again and check.
"""

T = TypeVar("T")


def commit(attempt: Callable[[], T], what: str, *, attempts: int, sleep: Callable[[float], None]) -> T:
    """Return the result of the first attempt that ends with a known outcome.

    ``attempt`` loads the table, returns without a commit if an earlier attempt has arrived after all, and otherwise
    commits on top of exactly the snapshot that it loaded. ``what`` names the commit in the message.

    Raises:
        PublishConflict: the outcome of all attempts was unknown.
    """
    # Kept for the message: the last error is the one to act on.
    trouble: Exception | None = None
    for number in range(attempts):
        try:
            return attempt()
        except UNDECIDED as error:
            # Never repeat the commit itself: only the next attempt, which loads the table, shows if this one arrived.
            trouble = error
            sleep(backoff(number))
    raise PublishConflict(
        f"{what} failed {attempts} times, at last with {type(trouble).__name__}: {trouble}; try again"
    )


def backoff(attempt: int) -> float:
    """Return the seconds to wait after failed attempt 0, 1, …: at most one, with jitter."""
    return random.uniform(0.02, min(0.05 * 2**attempt, 1.0))  # noqa: S311 - jitter, no secret
