"""Values of the tables as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """Return a value as JSON has it: times as RFC 3339, maps as objects, null members left out.

    A time with a zone is in UTC and ends in ``Z``. A time without one is neither moved nor marked.
    """
    match value:
        case datetime() if value.tzinfo is None:
            return value.isoformat()
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Mapping():
            return {str(plain(key)): plain(member) for key, member in value.items() if member is not None}
        case list() | tuple():
            return [plain(member) for member in value]
        # JSON has no NaN or infinity.
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case _:
            return str(value)
