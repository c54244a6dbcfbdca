"""What becomes of objects at the ends of days, of late, rewritten and vanished ones. docs/guarantees.md names each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.integration.deployments import DAY, Deployment, dns_body, dns_key, partition_key
from vpclogs.ledger.partitions import Certificate
from vpclogs.partitions import LogType


@pytest.fixture
def deployment(deploy: Callable[..., Deployment], bucket: str) -> Deployment:
    return deploy(bucket, user="admin")


@pytest.fixture
def put(s3: Any, bucket: str) -> Callable[..., None]:
    """Deliver an object with one record per port."""

    def put(name: str, *ports: int, day: date = DAY, event_day: date | None = None) -> None:
        body = b"".join(dns_body(1, day=event_day or day, port=port) for port in ports)
        s3.put_object(Bucket=bucket, Key=dns_key(name, day=day), Body=body)

    return put


@pytest.fixture
def remove(s3: Any, bucket: str) -> Callable[[str], None]:
    return lambda name: s3.delete_object(Bucket=bucket, Key=dns_key(name))


def days(deployment: Deployment) -> list[date]:
    rows = deployment.warehouse.table("vpc_dns").scan(selected_fields=("p_day",)).to_arrow()
    return sorted(rows.column("p_day").to_pylist())


def certificate(deployment: Deployment) -> Certificate:
    (status,) = deployment.pipeline().ledger.partitions.status(LogType.VPC_DNS)
    return status.certificate


def at(day: date, hour: int = 0, **more: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour, **more)


def test_run_until_midnight_lists_only_the_ending_day(deployment, put):
    tomorrow = DAY + timedelta(days=1)
    put("2355", 1)
    put("0000", 2, day=tomorrow)

    deployment.run(until=at(tomorrow))
    assert deployment.ports() == [1]

    deployment.run(until=at(tomorrow, 1))
    assert deployment.ports() == [1, 2]


def test_record_after_midnight_stays_in_its_objects_day(deployment, put):
    put("2355", 1, event_day=DAY + timedelta(days=1))

    deployment.run(until=at(DAY, 25))

    assert days(deployment) == [DAY]


@pytest.mark.parametrize(
    ("day", "until"),
    [
        (date(2022, 10, 31), at(date(2022, 11, 1), 5)),
        (date(2022, 12, 31), at(date(2023, 1, 2), 23)),
        (date(2024, 2, 29), at(date(2024, 3, 1))),
        (date(2024, 2, 29), at(date(2024, 3, 2), 23)),
    ],
    ids=["the end of a month", "the end of a year, looked back at", "a leap day", "a leap day, looked back at"],
)
def test_the_days_of_the_calendar_are_counted_right(day, until, deployment, put):
    put("2310", 1, day=day)

    deployment.run(until=until)
    deployment.run(reload=partition_key(day=day), until=until)

    assert days(deployment) == [day]


@pytest.mark.parametrize("hour", [0, 23])
def test_object_delivered_47_hours_late_is_loaded_next_hour(hour, deployment, put):
    deployment.run(until=at(DAY, hour + 46))
    put(f"{hour:02}10", 1)

    deployment.run(until=at(DAY, hour + 48))

    assert deployment.ports() == [1]


def test_object_later_than_the_lookback_is_loaded_by_a_reload(deployment, put):
    put("0005", 1)
    deployment.run()
    deployment.run(until=at(DAY + timedelta(days=3), 1))
    put("0010", 2)

    deployment.run(until=at(DAY + timedelta(days=3), 2))
    assert deployment.ports() == [1]

    deployment.run(reload=partition_key(), until=at(DAY + timedelta(days=3), 1))
    assert deployment.ports() == [1, 2]

    put("0015", 3)
    pipeline = deployment.pipeline()
    for batch in pipeline.plan_days("vpc_dns", run_key="days", days=[DAY]):
        pipeline.stage(batch)
    pipeline.audit("days")
    pipeline.publish("days")
    assert deployment.ports() == [1, 2, 3]


def test_rewritten_object_is_loaded_once_with_its_new_content(deployment, put):
    put("0005", 1, 2)
    put("0010", 9)
    deployment.run()

    put("0005", 3)
    deployment.run()
    assert deployment.ports() == [3, 9]

    put("0005", 1, 2)  # the first content again: the same ETag, and so the same row ids
    deployment.run()
    deployment.run()
    assert deployment.ports() == [1, 2, 9]
    assert certificate(deployment).complete
    assert certificate(deployment).listed == 2


def test_object_rewritten_during_a_slow_run_stays_new(deployment, put):
    put("0005", 1)
    slow = deployment.pipeline()
    for batch in slow.plan("vpc_dns", run_key="slow"):
        slow.stage(batch)
    put("0005", 2)
    deployment.run()

    slow.audit("slow")
    slow.publish("slow")

    # S3 gives times in whole seconds: within one the newer cannot be told, and the next hour sets it right
    deployment.run()
    assert deployment.ports() == [2]
    assert certificate(deployment).complete


def test_an_object_deleted_before_it_was_loaded_is_gone(deployment, put, remove):
    put("0005", 1)
    put("0010", 2)
    planned = deployment.pipeline()
    planned.plan("vpc_dns", run_key="never staged")
    remove("0010")

    deployment.run()

    assert deployment.ports() == [1]
    assert (certificate(deployment).complete, certificate(deployment).gone) == (True, 1)


def test_rows_of_a_deleted_object_stay_through_reloads(deployment, put, remove):
    put("0005", 1)
    put("0010", 2)
    deployment.run()
    remove("0010")

    deployment.run()
    deployment.run(reload=partition_key())

    assert deployment.ports() == [1, 2]
    assert (certificate(deployment).complete, certificate(deployment).loaded) == (True, 2)

    remove("0005")
    deployment.run(reload=partition_key())
    assert deployment.ports() == [1, 2]


def test_rows_of_an_object_changed_during_a_reload_stay(deployment, put, remove):
    for name, port in (("0005", 1), ("0010", 2), ("0015", 3)):
        put(name, port)
    deployment.run()
    pipeline = deployment.pipeline()
    batches = pipeline.plan_partition("vpc_dns", partition_key(), run_key="reload")
    remove("0010")
    put("0015", 4)

    for batch in batches:
        pipeline.stage(batch)
    pipeline.audit("reload")
    pipeline.publish("reload")

    assert deployment.ports() == [1, 2, 3]
    deployment.run()
    assert deployment.ports() == [1, 2, 4]
    assert certificate(deployment).complete


def test_object_is_placed_once_its_vpc_can_be_read(deployment, put, s3, bucket):
    """A VPC's region is learned from a record of it. Until then its objects are in the region `unknown`."""
    s3.put_object(Bucket=bucket, Key=dns_key("0005"), Body=b"")

    deployment.run()
    (status,) = deployment.pipeline().ledger.partitions.status(LogType.VPC_DNS)
    assert status.partition.region == "unknown"

    put("0010", 1)
    deployment.run()
    assert deployment.ports() == [1]
    regions = {s.partition.region for s in deployment.pipeline().ledger.partitions.status(LogType.VPC_DNS)}
    assert regions == {"unknown", "us-west-2"}
