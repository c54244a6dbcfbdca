"""The truth of a sample: the outcome that each object and record must have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

__all__ = ["LOADED", "EMPTY", "REFUSED", "ObjectTruth", "Totals", "Truth"]

LOADED, REFUSED, EMPTY = "loaded", "refused", "empty"


@dataclass(frozen=True, slots=True)
class ObjectTruth:
    """One object. ``reason`` is set if it is refused whole; ``refused`` counts its refused records by reason.

    ``late`` objects are delivered after the others. ``day`` is the day in the key, as 2022-10-07.
    """

    log_type: str
    key: str
    account: str
    region: str
    day: str
    state: str = LOADED
    reason: str | None = None
    good: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    late: bool = False

    @property
    def partition(self) -> str:
        return f"{self.account}|{self.region}|{self.day}"

    @property
    def records(self) -> int:
        """Records that the object delivers: 0 if it is not loaded."""
        return self.good + sum(self.refused.values())


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over objects. ``quarantine_rows`` = refused records + refused objects."""

    objects: int
    loaded: int
    refused_objects: int
    empty: int
    good: int
    refused: int

    @property
    def records(self) -> int:
        return self.good + self.refused

    @property
    def quarantine_rows(self) -> int:
        return self.refused + self.refused_objects


@dataclass(frozen=True)
class Truth:
    """All objects of a sample in the order of their delivery."""

    bucket: str
    objects: tuple[ObjectTruth, ...]

    def of(self, log_type: str, *, late: bool | None = None, partition: str | None = None) -> list[ObjectTruth]:
        """The objects of one log, perhaps only the late ones or only those of one partition."""
        return [
            found
            for found in self.objects
            if found.log_type == log_type
            and (late is None or found.late == late)
            and (partition is None or found.partition == partition)
        ]

    def partitions(self, log_type: str) -> list[str]:
        return sorted({found.partition for found in self.of(log_type)})

    def totals(self, log_type: str, *, late: bool | None = None, partition: str | None = None) -> Totals:
        found = self.of(log_type, late=late, partition=partition)
        states = Counter(one.state for one in found)
        return Totals(
            objects=len(found),
            loaded=states[LOADED],
            refused_objects=states[REFUSED],
            empty=states[EMPTY],
            good=sum(one.good for one in found),
            refused=sum(sum(one.refused.values()) for one in found),
        )

    def reasons(self, log_type: str) -> Counter[str]:
        """Quarantine rows by reason: refused records and refused objects."""
        return _count(self.of(log_type))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"bucket": self.bucket, "objects": [asdict(one) for one in self.objects]}, indent=1))

    @classmethod
    def load(cls, path: Path) -> Truth:
        content = json.loads(path.read_text())
        return cls(content["bucket"], tuple(ObjectTruth(**one) for one in content["objects"]))


def _count(objects: Iterable[ObjectTruth]) -> Counter[str]:
    reasons: Counter[str] = Counter()
    for one in objects:
        reasons.update(one.refused)
        if one.reason:
            reasons[one.reason] += 1
    return reasons
