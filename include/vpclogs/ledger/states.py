"""The states of objects in the ledger, by what they mean for a partition."""

from __future__ import annotations

from vpclogs.staged import LEFT_OUT

__all__ = ["NOT_COUNTED", "SETTLED"]

SETTLED = ("loaded", "refused", "empty")
"""States of an object that is done: planning leaves it out."""

NOT_COUNTED = ("replaced", "changed", LEFT_OUT)
"""States of objects that are not part of their partition: older versions, and regions that the source leaves out."""
