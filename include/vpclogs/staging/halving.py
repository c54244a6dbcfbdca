"""Find the few of many that an operation on all of them fails for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["fail_apart"]

K = TypeVar("K")
E = TypeVar("E", bound=Exception)

_MOST_FAILED = 32  # before anything succeeded: then the cause is not one of them


def fail_apart(
    keys: Sequence[K], attempt: Callable[[Sequence[K]], None], errors: type[E] | tuple[type[E], ...]
) -> dict[K, E]:
    """Call `attempt` with all keys, or with halves of those it fails for; return the errors of single keys.

    Only ``errors`` are taken for errors about a key. Keys of a call that succeeded are not attempted again.

    Raises:
        Exception: one of ``errors``, if many keys fail and none succeeds; any other error at once.
    """
    failed: dict[K, E] = {}
    succeeded = False
    waiting = [keys]
    while waiting:
        group = waiting.pop()
        try:
            attempt(group)
            succeeded = True
        except errors as error:
            if len(group) > 1:
                # The first half is on top of the stack: keys are attempted in their order.
                middle = len(group) // 2
                waiting += [group[middle:], group[:middle]]
                continue
            failed |= dict.fromkeys(group, error)
            # An empty group failed without any key to blame.
            if not group or (not succeeded and len(failed) >= _MOST_FAILED):
                raise
    return failed
