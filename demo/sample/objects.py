"""Which objects the sample has: their keys, sizes, times and faults, before any is rendered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from demo.sample.world import Vpc, World, hex_digits

__all__ = ["DNS", "DNS_BREAKS", "FLOW", "FLOW_BREAKS", "PlannedObject", "object_name", "plan_objects"]

DNS, FLOW = "vpc_dns", "vpc_flow"

# Ways to break a whole object; `demo.sample.render` knows how.
DNS_BREAKS = (
    "gzip_truncated",
    "gzip_corrupt",
    "not_gzip",
    "zero_bytes",
    "no_lines",
    "key_layout",
    "version_major",
)
FLOW_BREAKS = (
    "gzip_truncated",
    "not_gzip",
    "zero_bytes",
    "header_only",
    "no_header",
    "transit_gateway",
    "cloudwatch_export",
    "json_in_flow",
    "parquet_corrupt",
    "key_layout",
)


@dataclass(frozen=True, slots=True)
class PlannedObject:
    """One object to be written. ``at`` is the time in its name; ``number`` seeds its content.

    ``faults`` of its ``records`` are broken, with the kinds from number ``first_fault`` on.
    """

    log_type: str
    vpc: Vpc
    at: datetime
    number: int
    name: str
    records: int
    faults: int = 0
    first_fault: int = 0
    broken: str | None = None
    late: bool = False

    @property
    def key(self) -> str:
        return (_dns_folder(self.vpc, self.at) if self.log_type == DNS else _flow_folder(self.vpc, self.at)) + self.name


def plan_objects(
    world: World, days: Sequence[date], *, log_type: str, records: int, faults: int, scale: float
) -> list[PlannedObject]:
    """Plan one log's objects: ``records`` in all, ``faults`` of them broken, and the broken objects besides."""
    rng = np.random.default_rng([world.seed, 4, len(log_type)])
    slots = [(vpc, at) for vpc in world.vpcs for day in days for at in _times(rng, vpc, day, log_type, scale)]
    weights = np.array([vpc.weight / vpc.objects_per_day * _busy(at) for vpc, at in slots])
    counts = 1 + rng.multinomial(records - len(slots), weights / weights.sum())
    bad = rng.multivariate_hypergeometric(counts, faults)
    firsts = np.cumsum(bad) - bad
    late = set(rng.choice(len(slots), max(2, len(slots) // 40), replace=False).tolist())
    planned = [
        PlannedObject(
            log_type, vpc, at, number, object_name(rng, log_type, vpc, at), int(counts[number]), int(bad[number]),
            int(firsts[number]), late=number in late,
        )
        for number, (vpc, at) in enumerate(slots)
    ]  # fmt: skip
    return [*planned, *_broken(rng, planned, world, log_type)]


def _broken(
    rng: np.random.Generator, planned: Sequence[PlannedObject], world: World, log_type: str
) -> Iterator[PlannedObject]:
    """One object for each way to break one, spread over the VPCs, in the minutes after a good one."""
    breaks = DNS_BREAKS if log_type == DNS else FLOW_BREAKS
    for number, broken in enumerate(breaks):
        vpcs = [vpc for vpc in world.vpcs if _fits(vpc, log_type, broken)]
        vpc = vpcs[number % len(vpcs)]
        neighbours = [one for one in planned if one.vpc == vpc]
        like = neighbours[number * 5 % len(neighbours)]
        at = like.at + timedelta(minutes=5)
        name = "README.txt" if broken == "key_layout" else object_name(rng, log_type, vpc, at)
        yield replace(
            like, at=at, number=len(planned) + number, name=name, records=200, faults=0, broken=broken, late=False
        )


def _fits(vpc: Vpc, log_type: str, broken: str) -> bool:
    """Only a Parquet flow log can have a broken Parquet file, and no other break is one of Parquet."""
    return log_type == DNS or vpc.flow.parquet == (broken == "parquet_corrupt")


def _times(rng: np.random.Generator, vpc: Vpc, day: date, log_type: str, scale: float) -> list[datetime]:
    """The five-minute marks of one day at which the VPC's objects are named, none twice and not the last.

    They are even numbers of marks, so that a broken object has the odd one after it for itself.
    """
    wanted = vpc.objects_per_day if log_type == DNS else vpc.objects_per_day // 2
    marks = np.sort(rng.choice(144, max(2, round(wanted * scale)), replace=False)) * 2
    midnight = datetime.combine(day, time(), UTC)
    return [midnight + timedelta(minutes=5 * mark) for mark in marks.tolist()]


def _busy(at: datetime) -> float:
    """More traffic by day than by night."""
    return float(1.2 + np.sin((at.hour - 8) / 24 * 2 * np.pi))


def object_name(rng: np.random.Generator, log_type: str, vpc: Vpc, at: datetime) -> str:
    """The last part of an object's key, as AWS makes it."""
    stamp, unique = at.strftime("%Y%m%dT%H%MZ"), hex_digits(rng, 8)
    if log_type == DNS:
        return f"{vpc.vpc_id}_vpcdnsquerylogs_{vpc.account}_{stamp}_{unique}.log.gz"
    suffix = "parquet" if vpc.flow.parquet else "gz"
    return f"{vpc.account}_vpcflowlogs_{vpc.region}_{vpc.flow.flow_log}_{stamp}_{unique}.log.{suffix}"


def _dns_folder(vpc: Vpc, at: datetime) -> str:
    return f"AWSLogs/{vpc.account}/vpcdnsquerylogs/{vpc.vpc_id}/{at:%Y/%m/%d}/"


def _flow_folder(vpc: Vpc, at: datetime) -> str:
    root = f"AWSLogs/{vpc.flow.organization}/" if vpc.flow.organization else "AWSLogs/"
    hour = vpc.flow.layout in ("hourly", "hive_hourly")
    if vpc.flow.layout.startswith("hive"):
        day = f"year={at:%Y}/month={at:%m}/day={at:%d}/" + (f"hour={at:%H}/" if hour else "")
        return f"{root}aws-account-id={vpc.account}/aws-service=vpcflowlogs/aws-region={vpc.region}/{day}"
    return f"{root}{vpc.account}/vpcflowlogs/{vpc.region}/{at:%Y/%m/%d}/" + (f"{at:%H}/" if hour else "")
