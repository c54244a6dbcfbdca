"""A few refused records of each reason, for people to look at."""

from __future__ import annotations

import msgspec

from vpclogs.objects import LogObject
from vpclogs.parsing.model import Refused

__all__ = ["RefusedSample", "RefusedSamples"]

_OF_EACH = 3
_MOST_REASONS = 12
_SHOWN_BYTES = 300  # of a record
_SHOWN_DETAIL = 200


class RefusedSample(msgspec.Struct, frozen=True):
    """One refused record. ``text`` is the start of it, with anything that is not UTF-8 escaped."""

    field: str | None
    detail: str
    text: str
    key: str
    line: int


class RefusedSamples(msgspec.Struct):
    """The first refused records of each reason."""

    reasons: dict[str, list[RefusedSample]] = {}

    def add(self, record: Refused, item: LogObject) -> None:
        """Keep a record, unless there are enough of its reason."""
        kept = self.reasons.get(record.reason)
        if kept is None and len(self.reasons) >= _MOST_REASONS:
            return
        if kept is not None and len(kept) >= _OF_EACH:
            return
        text = record.raw[:_SHOWN_BYTES].decode("utf-8", "backslashreplace").replace("\0", "\\0")
        sample = RefusedSample(record.field, record.detail[:_SHOWN_DETAIL], text, item.key, record.line)
        self.reasons.setdefault(record.reason, []).append(sample)

    def update(self, other: RefusedSamples) -> None:
        """Add the records of another batch, as far as there are too few."""
        for reason, samples in other.reasons.items():
            if reason in self.reasons or len(self.reasons) < _MOST_REASONS:
                kept = self.reasons.setdefault(reason, [])
                kept += samples[: _OF_EACH - len(kept)]
