"""The input of all monitors, read in advance: each monitor is a function of plain data and a clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vpclogs.config.settings import Settings
from vpclogs.config.sources import Source
from vpclogs.ledger.monitor_queries import Look
from vpclogs.listed_days import ListedDays
from vpclogs.monitors.entities import Entity
from vpclogs.monitors.grid import Grid
from vpclogs.partitions import LogType, Partition
from vpclogs.s3.left_out import LeftOut

if TYPE_CHECKING:
    import pandas as pd

    from vpclogs.config.monitor_settings import MonitorThresholds

__all__ = ["Snapshot", "Uncovered"]


@dataclass(frozen=True, slots=True)
class Uncovered:
    """An account whose logs lie in a source's bucket, of the last days, and that no source reads."""

    source: str
    account: str
    objects: int
    bytes: int
    example: str


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The state at ``now`` of the sources in the settings.

    ``grids`` have the counts of the learning time up to now. ``loaded`` are objects that
    were published lately: log_type, source, time (of the records), delivered, published,
    rows. ``waiting`` are objects that were not, counted: log_type, source, account, region,
    scope, day, objects, oldest (a time). ``traits`` are as in the ledger, ``looks`` oldest first.
    """

    now: datetime
    settings: Settings
    grids: Mapping[LogType, Grid]
    loaded: pd.DataFrame
    waiting: Sequence[Any] = ()
    traits: Sequence[Any] = ()
    looks: Mapping[LogType, Sequence[Look]] = field(default_factory=dict)
    failed: Mapping[Partition, str] = field(default_factory=dict)
    uncovered: Sequence[Uncovered] = ()
    left_out: Sequence[LeftOut] = ()
    listings: Mapping[str, ListedDays] = field(default_factory=dict)

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """The configured sources by name."""
        return {source.name: source for source in self.settings.sources}

    def limits(self, source: str) -> MonitorThresholds:
        """The thresholds of a source."""
        return self.settings.monitors.for_source(source)

    def seen_until(self, log_type: LogType) -> datetime | None:
        """Until when all deliveries of a log type have been listed."""
        return max((look.until for look in self.looks.get(log_type, ())), default=None)

    def grid(self, log_type: LogType, end: datetime) -> Grid:
        """The counts of a log type up to the hour of ``end``."""
        grid = self.grids[log_type]
        return grid.between(grid.start, end)

    def unlisted(self, entity: Entity) -> bool:
        """Return True if the newest listing failed for the entity or a part of it."""
        looks = self.looks.get(LogType(entity.log_type), ())
        return bool(looks) and any(
            failure.source == entity.source
            and failure.account in (None, entity.account)
            and failure.region in (None, entity.region)
            for failure in looks[-1].failures
        )
