"""Small offices with two weeks of history up to now. In each of them something has begun to go wrong.

Monitors compare the present with past weeks, so these logs, unlike the big sample,
end in the hour in which they are made, and are thin: some fifty objects in all.

    offices = Offices(seed=7, hour=datetime(2026, 1, 16, 9, tzinfo=UTC))
    truth = offices.write(s3, "demo-office-logs")
    offices.findings("offices")               # the expected findings of this source, and their reasons
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from demo.sample.objects import DNS, PlannedObject, object_name
from demo.sample.render import render
from demo.sample.truth import Truth
from demo.sample.world import Vpc, build_offices

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["FRESH", "Offices"]

FRESH = timedelta(hours=2)
"""The time after the hour in which the expected findings hold. Later all logs are silent, which monitors find."""

_FIRST_NUMBER = 100_000  # beyond the numbers of the big sample's objects


class _Vpcs(NamedTuple):
    """One for each thing that goes wrong; the last is of another account."""

    shop: Vpc
    weekly: Vpc
    garbled: Vpc
    stranger: Vpc


@dataclass(frozen=True)
class Offices:
    """Four VPCs. ``hour`` is the full hour in which they are made; nothing is of that hour or later."""

    seed: int
    hour: datetime

    @property
    def covered(self) -> str:
        """The account that a source is to read; another's logs lie beside it."""
        return self._vpcs.shop.account

    @property
    def first_day(self) -> date:
        """The day of the oldest object."""
        return min(one.at for one in self._planned).date()

    def findings(self, source: str) -> Mapping[str, str]:
        """The findings expected while the source is `FRESH`: the change made to the logs, by the finding's key."""

        def place(vpc: Vpc) -> str:
            return f"{source}/{vpc.account}/{vpc.region}/{vpc.vpc_id}"

        vpcs = self._vpcs
        return {
            f"silence/{place(vpcs.shop)}": "a VPC that had queries for three hours a day has had none for three days",
            f"volume_drop/{place(vpcs.weekly)}": "a job that runs once a week makes a tenth of its usual queries",
            f"quarantine_rise/{place(vpcs.garbled)}": "3 % of a VPC's newest records are broken, and none were before",
            f"uncovered_accounts/{source}/{vpcs.stranger.account}": "an account's logs arrive that no source reads",
        }

    def write(self, s3: S3Client, bucket: str) -> Truth:
        """Put all objects; returns the truth of those of the account that is covered."""
        truths = []
        for planned in self._planned:
            truth, body = render(planned, self.seed)
            s3.put_object(Bucket=bucket, Key=truth.key, Body=body)
            if planned.vpc.account == self.covered:
                truths.append(truth)
        return Truth(bucket, tuple(truths))

    @cached_property
    def _vpcs(self) -> _Vpcs:
        return _Vpcs(*build_offices(self.seed))

    @cached_property
    def _planned(self) -> tuple[PlannedObject, ...]:
        rng = np.random.default_rng([self.seed, 7])
        plan = enumerate(self._plan(), start=_FIRST_NUMBER)
        return tuple(
            PlannedObject(DNS, vpc, at, number, object_name(rng, DNS, vpc, at), records, faults)
            for number, (vpc, at, records, faults) in plan
        )

    def _plan(self) -> Iterator[tuple[Vpc, datetime, int, int]]:
        """Each object's VPC, time, records, and how many of them are broken."""
        vpcs = self._vpcs
        for days in range(12, 2, -1):
            yield from ((vpcs.shop, self._ago(hours, days), 40, 0) for hours in (4, 3, 2))
        for weeks in (2, 1):
            # A monitor compares with an hour to both sides, and the load may end two hours from now.
            yield from ((vpcs.weekly, self._ago(hours, 7 * weeks), 1200, 0) for hours in range(6, -2, -1))
        yield from ((vpcs.weekly, self._ago(hours), 120, 0) for hours in range(6, 0, -1))
        yield from ((vpcs.garbled, self._ago(3, days), 150, 0) for days in range(10, 0, -1))
        yield vpcs.garbled, self._ago(3), 1500, 45
        yield from ((vpcs.stranger, self._ago(hours), 40, 0) for hours in (3, 2))

    def _ago(self, hours: int, days: int = 0) -> datetime:
        """Five minutes past the hour so long ago."""
        return self.hour - timedelta(days=days, hours=hours) + timedelta(minutes=5)
