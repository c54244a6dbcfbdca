"""Runs after a pause: they list every day that was left out, a few at a time, and monitors name what is left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pendulum
import pytest

from demo.seaweed import READER, Seaweed
from tests.fixtures.deployment_a3d8d14.make import LOGS
from tests.old_deployment import unpack
from tests.pipelines import EVENING, dns_key, event, finish, make_pipeline, put_lines, rows, run_hour
from vpclogs.errors import PartitionsFailed
from vpclogs.monitors.running import run
from vpclogs.pipeline import Pipeline
from vpclogs.recovery.rebuild import rebuild

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
OTHER = "222222222222"


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = EVENING

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def put(s3: Any, bucket: str) -> Callable[..., None]:
    def put(*days: date, account: str = "123456789012", bucket: str = bucket) -> None:
        for day in days:
            lines = [event(account_id=account, query_timestamp=f"{day}T12:00:00Z")]
            put_lines(s3, bucket, dns_key("1200", account=account, day=f"{day:%Y/%m/%d}"), lines)

    return put


def days_from(first: date, count: int) -> list[date]:
    return [first + number * DAY for number in range(count)]


def loaded(pipeline: Pipeline, account: str = "123456789012") -> list[date]:
    return sorted(
        row["p_day"] for row in rows(pipeline, "vpc_dns", "p_day", "p_account") if row["p_account"] == account
    )


def named(pipeline: Pipeline) -> list[str]:
    """The messages about days that nobody has listed, of the DNS source."""
    return [one.message for one in run(pipeline).findings if one.key.startswith("unlisted_days/dns")]


def run_hours(pipeline: Pipeline, clock: Clock, hours: int) -> None:
    for _ in range(hours):
        run_hour(pipeline, f"hour {clock.now}")
        clock.now += HOUR


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
def test_fourteen_days_of_pause_are_loaded_hour_by_hour(database, clock, put, s3, bucket, tmp_path, request):
    ledger = request.getfixturevalue("postgres").create("pauses") if database == "PostgreSQL" else None
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=clock, ledger=ledger)
    first = EVENING.date()
    put(first)
    run_hours(pipeline, clock, 1)
    put(*days_from(first + DAY, 14))
    clock.now = EVENING + 14 * DAY

    before = named(pipeline)
    run_hours(pipeline, clock, 1)
    after_one = loaded(pipeline)
    run_hours(pipeline, clock, 4)

    assert before == [
        "vpc_dns of the whole source dns: 14 days have not been listed to the end: 2022-10-07 to 2022-10-20"
    ]
    # the days of the look-back, and the oldest three, of which two are the first look-back again
    assert after_one == [first, *days_from(first + 12 * DAY, 3)]
    assert loaded(pipeline) == days_from(first, 15)
    assert named(pipeline) == []


def test_a_year_of_pause_is_bounded_per_run_and_ends(clock, put, s3, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=clock, catch_up_days=40)
    put(EVENING.date())
    run_hours(pipeline, clock, 1)
    away = [EVENING.date() + days * DAY for days in (1, 27, 100, 200, 300, 364)]
    put(*away)
    clock.now = EVENING + 365 * DAY

    most = 0
    for _ in range(10):
        run_hours(pipeline, clock, 1)
        manifest = pipeline.ledger.manifests.latest(f"hour {clock.now - HOUR}")
        assert manifest.coverage is not None
        most = max(most, len(manifest.coverage.days["dns"]))

    assert most == 3 + 40
    assert loaded(pipeline) == [EVENING.date(), *away]
    assert named(pipeline) == []


def test_runs_without_a_pause_list_the_look_back_only(clock, put, s3, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=clock)
    put(*days_from(EVENING.date(), 3))

    run_hours(pipeline, clock, 30)

    manifest = pipeline.ledger.manifests.latest(f"hour {clock.now - HOUR}")
    assert manifest.coverage is not None
    assert manifest.coverage.days == {"dns": days_from(date(2022, 10, 7), 3)}
    assert named(pipeline) == []


def test_end_of_an_hour_may_have_any_zone(clock, put, s3, bucket, tmp_path):
    """Airflow hands over its own."""
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=clock)
    put(EVENING.date())
    until = pendulum.datetime(2022, 10, 8, 8, tz="Asia/Tokyo")  # 23:00 UTC of the day before

    finish(pipeline, "run", pipeline.plan("vpc_dns", run_key="run", until=until))

    assert loaded(pipeline) == [EVENING.date()]
    assert max(pipeline.ledger.listings.of("dns").at) == EVENING.date()


def test_the_days_of_a_run_that_died_are_listed_again(clock, put, s3, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=clock, catch_up_days=30)
    run_hours(pipeline, clock, 1)
    put(*days_from(EVENING.date() + DAY, 9))
    clock.now = EVENING + 10 * DAY

    pipeline.plan("vpc_dns", run_key="died after its plan")
    run_hours(pipeline, clock, 1)

    assert loaded(pipeline) == days_from(EVENING.date() + DAY, 9)


def test_days_on_which_an_account_was_denied_are_listed_later(
    clock, put, s3, reader, seaweed: Seaweed, bucket, tmp_path
):
    pipeline = make_pipeline(tmp_path, bucket, reader, clock=clock)
    seaweed.deny(bucket, f"AWSLogs/{OTHER}/", user=READER)
    for _ in range(6):
        put(clock.now.date())
        put(clock.now.date(), account=OTHER)
        batches = pipeline.plan("vpc_dns", run_key=f"denied {clock.now}")
        with pytest.raises(PartitionsFailed, match=f"source dns {OTHER}"):
            finish(pipeline, f"denied {clock.now}", batches)
        clock.now += DAY
    seaweed.deny(bucket, user=READER)

    before = named(pipeline)
    run_hours(pipeline, clock, 2)

    assert before == [
        "vpc_dns of the whole source dns: 1 day has not been listed to the end: 2022-10-12",
        f"vpc_dns of account {OTHER}: 7 days have not been listed to the end: 2022-10-05 to 2022-10-11",
    ]
    assert loaded(pipeline) == loaded(pipeline, OTHER) == days_from(EVENING.date(), 6)
    assert named(pipeline) == []


def test_load_of_single_days_does_not_fill_days_between(clock, put, s3, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=clock)
    old = [date(2021, 1, 1)]
    finish(pipeline, "load", pipeline.plan_days("vpc_dns", run_key="load", days=old))
    hour_long_ago = datetime(2021, 6, 1, 1, tzinfo=UTC)
    finish(pipeline, "backfill", pipeline.plan("vpc_dns", run_key="backfill", until=hour_long_ago))

    run_hours(pipeline, clock, 2)

    manifest = pipeline.ledger.manifests.latest(f"hour {clock.now - HOUR}")
    assert manifest.coverage is not None
    assert manifest.coverage.days == {"dns": days_from(date(2022, 10, 5), 3)}
    assert named(pipeline) == []


def test_days_since_a_start_day_that_nobody_listed_are_named(clock, s3, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=clock)
    sources = [one.model_copy(update={"start_day": date(2022, 9, 1)}) for one in pipeline.settings.sources]
    pipeline.settings = pipeline.settings.model_copy(update={"sources": tuple(sources)})

    run_hours(pipeline, clock, 1)
    before = named(pipeline)
    days = days_from(date(2022, 9, 1), 20)
    finish(pipeline, "load", pipeline.plan_days("vpc_dns", run_key="load", days=days))

    assert ["2022-09-01 to 2022-10-04" in one for one in before] == [True]
    assert ["2022-09-21 to 2022-10-04" in one for one in named(pipeline)] == [True]


def test_ledger_of_an_earlier_version_continues_from_its_last_listing(put, seaweed, tmp_path):
    make = unpack(tmp_path, seaweed)
    later = EVENING + 14 * DAY
    put(*days_from(EVENING.date() + DAY, 14), account=OTHER, bucket=LOGS)
    pipeline = make(later)

    before = named(pipeline)
    for number in range(5):
        run_hour(pipeline, f"after the upgrade {number}")

    assert ["2022-10-07 to 2022-10-20" in one for one in before] == [True]
    assert loaded(pipeline, OTHER)[-14:] == days_from(EVENING.date() + DAY, 14)
    assert named(pipeline) == []


def test_a_rebuilt_ledger_goes_on_from_its_last_day(clock, put, s3, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=clock)
    put(*days_from(EVENING.date() - 2 * DAY, 3))
    run_hours(pipeline, clock, 1)
    put(*days_from(EVENING.date() + DAY, 9))
    clock.now = EVENING + 9 * DAY
    anew = make_pipeline(tmp_path, bucket, s3, clock=clock, ledger=f"sqlite:///{tmp_path}/new.db")

    rebuild(anew, run_key="rebuild")
    run_hours(anew, clock, 3)

    assert loaded(anew) == days_from(EVENING.date() - 2 * DAY, 12)
    assert named(anew) == []
