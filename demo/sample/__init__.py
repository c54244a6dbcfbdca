"""A seeded sample of both logs as AWS delivers them, with every fault the formats can have.

    sample = Sample(seed=7, days=(date(2026, 1, 14), date(2026, 1, 15)))
    truth = sample.write(s3, "demo-network-logs")             # all but the late objects
    sample.write(s3, "demo-network-logs", late=True)          # those that come a day later

`Offices` are a second, small one with two weeks of history, for monitors.

`Truth` is the outcome that each object and record must have. It is known from how the
sample is made, never from parsing it. `dns_lines` and `flow_lines` are for benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from demo.sample.dns import DRIFTS_FROM, dns_lines
from demo.sample.faults import DNS_FAULTS, flow_faults
from demo.sample.flow import flow_lines
from demo.sample.flow_formats import flow_fields
from demo.sample.objects import DNS, FLOW, PlannedObject, plan_objects
from demo.sample.offices import FRESH, Offices
from demo.sample.render import render
from demo.sample.truth import ObjectTruth, Totals, Truth
from demo.sample.world import World, build_world

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["DNS", "FLOW", "FRESH", "ObjectTruth", "Offices", "Sample", "Totals", "Truth", "dns_lines", "flow_lines"]

_DNS_RECORDS, _FLOW_RECORDS, _DIRTY = 300_000, 150_000, 0.001
# Enough that the formats differ in each: every kind of fault occurs in every run of the generator.
_FEWEST_FAULTS = 2 * max(len(DNS_FAULTS) + 1, len(flow_faults(flow_fields(2))))


@dataclass(frozen=True)
class Sample:
    """Two logs over ``days``. At ``scale`` 1: 300,000 DNS and 150,000 flow records in some 450 objects."""

    seed: int
    days: Sequence[date]
    scale: float = 1.0

    @cached_property
    def world(self) -> World:
        return build_world(self.seed)

    @cached_property
    def planned(self) -> tuple[PlannedObject, ...]:
        """All objects, late ones included, in a fixed order."""
        return (*self._plan(DNS, _DNS_RECORDS), *self._plan(FLOW, _FLOW_RECORDS))

    def objects(self) -> Iterator[tuple[ObjectTruth, bytes]]:
        """Each object's truth and bytes, made one at a time."""
        return (render(one, self.seed) for one in self.planned)

    def truth(self, bucket: str) -> Truth:
        """The truth alone. Takes as long as making the sample."""
        return Truth(bucket, tuple(truth for truth, _ in self.objects()))

    def findings(self, source: str) -> Mapping[str, str]:
        """The findings expected in the source of its DNS logs: the change made to the logs, by the finding's key.

        The broken records and objects are no finding, as long as monitors know that so many are usual.
        """
        if not any(one.log_type == DNS and not one.broken and one.records >= DRIFTS_FROM for one in self.planned):
            return {}
        return {
            f"schema_drift/{source}/version/1.200000": "some records have a version that AWS has not announced",
            f"schema_drift/{source}/unknown_field/additional_properties": "and a field that comes with it",
        }

    def write(
        self, s3: S3Client, bucket: str, *, late: bool = False, progress: Callable[[int, int], None] | None = None
    ) -> Truth:
        """Put the punctual or the ``late`` objects into ``bucket``; returns the truth of these.

        ``progress`` is called with the objects done and the objects in all.
        """
        wanted = [one for one in self.planned if one.late == late]
        written: list[ObjectTruth] = []
        with ThreadPoolExecutor(8, "sample") as pool:
            pending: list[Future[object]] = []
            for planned in wanted:
                truth, body = render(planned, self.seed)
                pending.append(pool.submit(s3.put_object, Bucket=bucket, Key=truth.key, Body=body))
                written.append(truth)
                if progress:
                    progress(len(written), len(wanted))
            for upload in pending:
                upload.result()
        return Truth(bucket, tuple(written))

    def _plan(self, log_type: str, records: int) -> list[PlannedObject]:
        count = round(records * self.scale)
        faults = max(round(count * _DIRTY), _FEWEST_FAULTS)
        return plan_objects(self.world, self.days, log_type=log_type, records=count, faults=faults, scale=self.scale)
