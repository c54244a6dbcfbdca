"""Timestamps in the formats of the DNS log."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["rfc3339_column", "rfc3339_micros"]

_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,9}))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def rfc3339_micros(text: str) -> int | None:
    """Return microseconds since the epoch in UTC, or None if ``text`` is not a valid RFC 3339 time.

    Digits below the microsecond are truncated. Leap seconds (second 60) are refused, because AWS smears them and no
    table could hold them. Times outside the years 1 to 9999 are refused too.
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


def rfc3339_column(texts: pa.StringArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return `rfc3339_micros` of each text, and a mask of the valid ones. No text is null."""
    bounds = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    lengths = np.diff(bounds)
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    micros = np.zeros(len(texts), np.int64)
    valid = np.zeros(len(texts), np.bool_)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        if length == _WHOLE or _WHOLE + 2 <= length <= _WHOLE + 10:
            letters = data[bounds[rows][:, None] + np.arange(length)]
            micros[rows], valid[rows] = _utc_times(letters)
        for row in rows[~valid[rows]]:  # other spellings, and invalid times
            moment = rfc3339_micros(texts[row].as_py())
            if moment is not None:
                micros[row], valid[row] = moment, True
    return micros, valid


_WHOLE = len("2022-10-07T21:39:49Z")
_DIGITS = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]
_POWERS = 10 ** np.arange(5, -1, -1)


def _utc_times(letters: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Read times of one length like 2022-10-07T21:39:49Z or …49.177Z, one in each row of letters."""
    fraction = letters[:, _WHOLE:-1].astype(np.int64) - ord("0")
    digits = letters[:, _DIGITS].astype(np.int64) - ord("0")
    valid = ((digits >= 0) & (digits <= 9)).all(axis=1) & ((fraction >= 0) & (fraction <= 9)).all(axis=1)
    for place, letter in ((4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (-1, "Z")):
        valid &= letters[:, place] == ord(letter)
    if letters.shape[1] > _WHOLE:
        valid &= letters[:, _WHOLE - 1] == ord(".")
    year = digits[:, :4] @ _POWERS[2:]
    month, day, hour, minute, second = (digits[:, at] * 10 + digits[:, at + 1] for at in range(4, 14, 2))
    valid &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (hour <= 23) & (minute <= 59) & (second <= 59)
    months = np.where(valid, (year - 1970) * 12 + month - 1, 0)
    first, following = (m.astype("M8[M]").astype("M8[D]").astype(np.int64) for m in (months, months + 1))
    valid &= day <= following - first
    kept = fraction[:, :6]
    below = kept @ _POWERS[: kept.shape[1]]
    return (((first + day - 1) * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + below, valid
