"""The statistics of one partition, in the form that the ledger stores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec

from vpclogs.profile.counter import NameCounter
from vpclogs.profile.refused_samples import RefusedSamples
from vpclogs.profile.samples import Sample
from vpclogs.staged import StatisticsJson

__all__ = ["PartitionStatistics"]


class PartitionStatistics(msgspec.Struct):
    """Statistics of one batch or of several. Counts are of records unless stated otherwise.

    * ``disordered``: rows that do not follow the row before, so row ids may repeat
    * ``off_hours``: by whole hours from the start of the partition's day (negative: before it),
      only events outside the day
    * ``filled``: by column, records that have a value
    * ``nulls``: by column, nulls where a value is required; ``due``: by column, records that require one
    * ``accounts``: only those that differ from the path's
    * ``versions``, ``unknown_fields``: objects
    * ``unknown_values``: as ``column=value``
    * ``refused_samples``: a few refused records of each reason, with the start of their text
    """

    rows: int = 0
    refused: int = 0
    disordered: int = 0
    reasons: NameCounter = msgspec.field(default_factory=NameCounter)
    statuses: NameCounter = msgspec.field(default_factory=NameCounter)
    off_hours: NameCounter = msgspec.field(default_factory=NameCounter)
    filled: NameCounter = msgspec.field(default_factory=NameCounter)
    nulls: NameCounter = msgspec.field(default_factory=NameCounter)
    due: NameCounter = msgspec.field(default_factory=NameCounter)
    accounts: NameCounter = msgspec.field(default_factory=NameCounter)
    versions: NameCounter = msgspec.field(default_factory=NameCounter)
    unknown_fields: NameCounter = msgspec.field(default_factory=NameCounter)
    unknown_values: NameCounter = msgspec.field(default_factory=NameCounter)
    sample: Sample = msgspec.field(default_factory=Sample)
    refused_samples: RefusedSamples = msgspec.field(default_factory=RefusedSamples)

    def update(self, other: PartitionStatistics) -> None:
        """Add the statistics of another batch."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, int):
                setattr(self, name, mine + theirs)
            else:
                mine.update(theirs)

    def to_json(self) -> StatisticsJson:
        """Return the form that the ledger stores."""
        data: StatisticsJson = msgspec.to_builtins(self, enc_hook=Sample.to_json)
        return data

    @classmethod
    def from_json(cls, data: StatisticsJson) -> Self:
        """Return statistics from `to_json`. A missing statistic counts as empty."""
        return msgspec.convert(data, cls, dec_hook=lambda kind, value: kind.from_json(value))

    @classmethod
    def merged(cls, parts: Iterable[StatisticsJson]) -> Self:
        """Return the sum of several."""
        total = cls()
        for part in parts:
            total.update(cls.from_json(part))
        return total
