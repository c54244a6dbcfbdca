"""Reading times as the DNS log writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = ["rfc3339_micros"]

_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,9}))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def rfc3339_micros(text: str) -> int | None:
    """Microseconds since the epoch in UTC; None if ``text`` is not an RFC 3339 time that exists.

    Digits below the microsecond are cut off. A leap second (second 60) is refused: AWS
    smears them, and no table could hold it. So are times outside the years 1 to 9999.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    *clock, fraction, sign, hours, minutes = match.groups()
    micros = int((fraction or "")[:6].ljust(6, "0"))
    try:
        moment = datetime(*map(int, clock), micros, tzinfo=UTC)  # type: ignore[misc,arg-type]
        if sign:
            moment -= _offset(sign, int(hours), int(minutes))
    except (ValueError, OverflowError):
        return None
    return (moment - _EPOCH) // _MICROSECOND


def _offset(sign: str, hours: int, minutes: int) -> timedelta:
    if hours > 23 or minutes > 59:
        raise ValueError("no such offset")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if sign == "-" else offset
