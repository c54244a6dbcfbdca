"""The days that a run has to list, from the times at which they were listed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, text

from vpclogs.ledger import Ledger, migrations
from vpclogs.ledger.tables import objects
from vpclogs.listed_days import Listed, ListedDays, WantedDays, day_end
from vpclogs.manifests import ListingFailure

DAY = timedelta(days=1)
FIRST = date(2026, 1, 1)


def hours(day: date) -> datetime:
    return day_end(day) - DAY


@given(
    runs=st.lists(st.integers(0, 24 * 60), min_size=1, max_size=40),
    lookback=st.integers(0, 4),
    most=st.integers(1, 5),
)
def test_runs_at_any_times_leave_no_day_out(runs: list[int], lookback: int, most: int) -> None:
    """Each day is listed after it and its look-back are over, once enough runs have come."""
    at: dict[date, datetime] = {}
    start = None
    last = max(runs)
    for hour in [*sorted(runs), *[last + 24 * (lookback + 1) + number for number in range(24 * 3)]]:
        now = hours(FIRST) + timedelta(hours=hour)
        today = now.date()
        days = ListedDays(at, start, {}).overdue(today, lookback_days=lookback).days[:most]
        days += [today - back * DAY for back in range(lookback + 1)]
        start = start or min(days)
        at |= dict.fromkeys(days, now)

    assert start is not None
    final = (hours(FIRST) + timedelta(hours=last)).date()
    assert [day for day in days_between(start, final) if at[day] < day_end(day) + lookback * DAY] == []


def days_between(first: date, last: date) -> list[date]:
    return [first + number * DAY for number in range((last - first).days + 1)]


def test_failures_of_an_account_are_kept_until_it_is_listed(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    failure = ListingFailure("s", "123456789012", None, "denied", "no", False)

    def keep(day: date, *failures: ListingFailure, accounts: dict[str, list[date]] | None = None) -> None:
        listed = Listed(hours(day), True, {"s": [day]}, {"s": accounts} if accounts else {})
        ledger.listings.keep(listed, failures)

    keep(FIRST, failure)
    keep(FIRST + DAY, failure)
    missed = ledger.listings.of("s").missed
    keep(FIRST + 2 * DAY, accounts={"123456789012": [FIRST]})

    assert missed == {"123456789012": {FIRST, FIRST + DAY}}
    assert ledger.listings.of("s").missed == {"123456789012": {FIRST + DAY}}
    assert ledger.listings.of("s").overdue(FIRST + 3 * DAY, lookback_days=3) == WantedDays([])


def test_a_source_that_failed_as_a_whole_was_not_listed(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    failure = ListingFailure("s", None, None, "denied", "no", False)

    ledger.listings.keep(Listed(hours(FIRST), True, {"s": [FIRST], "t": [FIRST]}), [failure])

    assert (ledger.listings.of("s").at, ledger.listings.of("t").at) == ({}, {FIRST: hours(FIRST)})


def test_an_older_listing_changes_nothing(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    failure = ListingFailure("s", "123456789012", None, "denied", "no", False)
    ledger.listings.keep(Listed(hours(FIRST + DAY), True, {"s": [FIRST]}), [])

    ledger.listings.keep(Listed(hours(FIRST), True, {"s": [FIRST]}), [failure])

    known = ledger.listings.of("s")
    assert (known.at, known.missed) == ({FIRST: datetime(2026, 1, 2, tzinfo=UTC)}, {})


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
def test_upgrade_counts_days_up_to_the_last_listing_as_listed(database, tmp_path, request):
    if database == "SQLite":
        url = f"sqlite:///{tmp_path}/ledger.db"
    else:
        url = request.getfixturevalue("postgres").create("upgrade") + "?options=-c%20TimeZone%3DAsia/Tokyo"
    migrate(url, "0003")
    until = datetime(2026, 1, 10, 22, 30, tzinfo=UTC)
    columns = "objects, hash, log_type, run_key, mode, created_at, bytes, batches, listing_failures, listed_until"
    with create_engine(url).begin() as connection:
        for number, (mode, at) in enumerate([("add", until), ("add", until - 40 * DAY), ("reload", until + DAY)]):
            values = {
                "at": at if database == "PostgreSQL" else at.replace(tzinfo=None),
                "mode": mode,
                "key": f"{number}",
            }
            connection.execute(
                text(f"INSERT INTO manifests ({columns}) VALUES (0, '', 'vpc_dns', :key, :mode, :at, 0, 0, '[]', :at)"),
                values,
            )
        connection.execute(insert(objects).values(_object_row(date(2025, 11, 1))))

    known = Ledger(url).listings.of("s")

    assert (min(known.at), max(known.at)) == (date(2025, 11, 1), date(2026, 1, 10))
    assert set(known.at.values()) == {until}
    assert known.hourly_since == date(2025, 12, 10)
    assert known.overdue(date(2026, 1, 20), lookback_days=2).days == days_between(date(2026, 1, 8), date(2026, 1, 17))


def migrate(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with create_engine(url).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _object_row(day: date) -> dict[str, object]:
    now = hours(day)
    return {
        "identity": "i",
        "source": "s",
        "log_type": "vpc_dns",
        "bucket": "b",
        "key": "k",
        "etag": "e",
        "size": 1,
        "last_modified": now,
        "account": "123456789012",
        "region": "us-west-2",
        "day": day,
        "scope": "vpc-1",
        "state": "loaded",
        "first_seen": now,
    }
