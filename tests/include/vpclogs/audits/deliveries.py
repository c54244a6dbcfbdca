"""A day of one account's log as AWS would deliver it, to put a fault into, and its audit."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from vpclogs.audits.audit import audit
from vpclogs.config.audit_thresholds import AuditSettings
from vpclogs.findings import Finding
from vpclogs.objects import LogObject
from vpclogs.parsing.model import ObjectInput, ObjectState, ObjectUnreadable, ParseLimits
from vpclogs.partitions import LogType, Partition
from vpclogs.profile.statistics import merge
from vpclogs.staged import BatchResult
from vpclogs.staging.stage import stage
from vpclogs.warehouse.tables import Warehouse

DAY = date(2022, 10, 7)
MIDNIGHT = datetime(2022, 10, 7, tzinfo=UTC)
ACCOUNT = "123456789012"
REGION = "us-west-2"
V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)


@dataclass(frozen=True)
class Delivered:
    """One object: its text, or what reading it raises."""

    name: str
    text: str
    scope: str = "scope-1"
    etag: str = ""
    fate: ObjectUnreadable | None = None
    problem: str | None = None


@dataclass
class Day:
    """The objects of one partition."""

    log_type: LogType
    objects: list[Delivered] = field(default_factory=list)
    account: str = ACCOUNT
    region: str = REGION

    @property
    def partition(self) -> Partition:
        return Partition(self.log_type, self.account, self.region, DAY)

    def listed(self) -> list[LogObject]:
        return [
            LogObject(
                source="org",
                log_type=self.log_type,
                bucket="logs",
                key=item.name,
                etag=item.etag or item.name,
                size=len(item.text) if item.fate is None else 100,
                last_modified=MIDNIGHT + timedelta(hours=25),
                account=self.account,
                region=self.region,
                day=DAY,
                scope=item.scope,
                problem=item.problem,
            )
            for item in self.objects
        ]

    def staged(self, warehouse: Warehouse, *, batches: int = 1) -> list[BatchResult]:
        texts = {item.name: item for item in self.objects}

        def fetch(_source: str, items: Sequence[LogObject]) -> Iterator[ObjectInput]:
            for ordinal, item in enumerate(items):
                yield ObjectInput(ordinal, item.key, _chunks(texts[item.key]), item.region)

        return [
            stage(
                self.listed()[number::batches],
                log_type=self.log_type,
                stem=f"1-{number}",
                fetch=fetch,
                warehouse=warehouse,
                limits=ParseLimits(),
                now=MIDNIGHT + timedelta(days=1),
            )
            for number in range(batches)
        ]

    def audited(
        self, warehouse: Warehouse, settings: AuditSettings | None = None, *, batches: int = 1
    ) -> list[Finding]:
        results = self.staged(warehouse, batches=batches)
        return audit(
            self.partition,
            expected=self.listed(),
            outcomes=[outcome for result in results for outcome in result.outcomes],
            statistics=merge(statistics for result in results for statistics in result.statistics.values()),
            settings=AuditSettings(),
        )


def _chunks(item: Delivered) -> Iterator[bytes]:
    if item.fate is not None:
        raise item.fate
    yield gzip.compress(item.text.encode(), 1) if item.text else b""


def unreadable(state: ObjectState, reason: str) -> ObjectUnreadable:
    return ObjectUnreadable(state, reason, f"it was {reason}")


def flow_day(*, objects: int = 12, records: int = 200, seed: int = 7) -> Day:
    """Flow logs of format 2: five-minute files over the day, one record in ten is NODATA."""
    dice = random.Random(seed)
    day = Day(LogType.VPC_FLOW)
    for number in range(objects):
        end = int(MIDNIGHT.timestamp()) + number * 86400 // objects
        lines = [V2, *(flow_line(dice, end + dice.randrange(300)) for _ in range(records))]
        day.objects.append(Delivered(f"flow/{number:03}.log", "\n".join(lines) + "\n", scope="fl-1"))
    return day


def flow_line(dice: random.Random, end: int) -> str:
    eni = f"eni-{dice.randrange(40):017x}"
    start = end - dice.choice([0, 30, 59, 600])
    if dice.random() < 0.1:
        return f"2 {ACCOUNT} {eni} - - - - - - - {start} {end} - NODATA"
    source, target = f"10.0.{dice.randrange(256)}.{dice.randrange(256)}", f"52.1.2.{dice.randrange(256)}"
    ports = f"{dice.randrange(1024, 65536)} {dice.choice([443, 53, 22])}"
    size = f"{dice.randrange(1, 100)} {dice.randrange(40, 100000)}"
    return f"2 {ACCOUNT} {eni} {source} {target} {ports} 6 {size} {start} {end} {dice.choice(['ACCEPT', 'REJECT'])} OK"


def dns_day(*, objects: int = 12, records: int = 100, seed: int = 7) -> Day:
    """Query logs of one VPC."""
    dice = random.Random(seed)
    day = Day(LogType.VPC_DNS)
    for number in range(objects):
        begin = MIDNIGHT + timedelta(seconds=number * 86400 // objects)
        records_ = [dns_record(dice, begin + timedelta(seconds=dice.randrange(300))) for _ in range(records)]
        text = "".join(json.dumps(record) + "\n" for record in records_)
        day.objects.append(Delivered(f"dns/{number:03}.log", text, scope="vpc-0123456789abcdef0"))
    return day


def dns_record(dice: random.Random, at: datetime) -> dict[str, object]:
    return {
        "version": "1.100000",
        "account_id": ACCOUNT,
        "region": REGION,
        "vpc_id": "vpc-0123456789abcdef0",
        "query_timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "query_name": f"host{dice.randrange(500)}.example.com.",
        "query_type": dice.choice(["A", "AAAA"]),
        "query_class": "IN",
        "rcode": dice.choice(["NOERROR", "NXDOMAIN"]),
        "answers": [],
        "srcaddr": f"10.0.0.{dice.randrange(256)}",
        "srcport": str(dice.randrange(1024, 65536)),
        "transport": "UDP",
        "srcids": {},
    }


def each_line(day: Day, change: Callable[[list[str]], list[str] | None], *, every: int = 1, first: int = 0) -> None:
    """Rewrite one data line in `every` of a flow day's, given and returned as its values."""
    count = 0
    for place, item in enumerate(day.objects):
        header, *lines = item.text.splitlines()
        for at, line in enumerate(lines):
            count += 1
            if count % every == first and (changed := change(line.split(" "))) is not None:
                lines[at] = " ".join(changed)
        day.objects[place] = replace(item, text="\n".join([header, *lines]) + "\n")


def each_record(day: Day, *, every: int = 1, **changes: object) -> None:
    """Set fields of one record in `every` of a DNS day's."""
    count = 0
    for place, item in enumerate(day.objects):
        records = [json.loads(line) for line in item.text.splitlines()]
        for record in records:
            count += 1
            if count % every == 0:
                record |= changes
        day.objects[place] = replace(item, text="".join(json.dumps(record) + "\n" for record in records))
