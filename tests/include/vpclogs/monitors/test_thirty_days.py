"""Thirty simulated days: each fault makes exactly its finding, and good days make none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.simulated_weeks import (
    BEGIN,
    DNS,
    EAST,
    END,
    FLOW,
    HOUR,
    LAUNCH,
    SWITCH,
    WEST,
    Watched,
    Weeks,
    alarms,
    at,
    hours,
    simulate,
)
from vpclogs.manifests import ListingFailure

# Some minutes: every fault is looked for over weeks of hours.
pytestmark = pytest.mark.slow

FAULT = at(22, 10)  # a Tuesday, 10:00 UTC
LIVED = FAULT - 3 * HOUR / 2
CLOCK_CHANGE = at(27)


@pytest.fixture(scope="module")
def good_weeks() -> Weeks:
    return simulate()


@pytest.fixture(scope="module")
def lived(good_weeks: Weeks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with three good weeks in it."""
    folder = tmp_path_factory.mktemp("weeks")
    watched = Watched(copy.deepcopy(good_weeks), folder)
    watched.live_until(LIVED)
    watched.at(LIVED)
    watched.save(folder / "lived.db")
    return folder / "lived.db"


@dataclass(frozen=True)
class Fault:
    """What goes wrong from `FAULT` on, and the one alarm that it must raise within some hours."""

    name: str
    strike: Callable[[Weeks], None]
    alarm: str
    within: int = 8


def stop(weeks: Weeks, **site: object) -> None:
    weeks.drop(list(weeks.of(FAULT, **site)))


def hold(weeks: Weeks, until: datetime, **site: object) -> None:
    for one in weeks.of(FAULT, until, **site):
        one.delivered = max(one.delivered, until)


def slow_delivery(weeks: Weeks, by: timedelta, **site: object) -> None:
    for one in weeks.of(FAULT, **site):
        one.delivered += by


def slow_loading(weeks: Weeks, by: timedelta, **site: object) -> None:
    for one in weeks.of(FAULT, **site):
        one.loads_for = by


def volume(weeks: Weeks, factor: float, **site: object) -> None:
    for one in weeks.of(FAULT, **site):
        one.rows = round(one.rows * factor)


def refuse_records(weeks: Weeks, share: float, **site: object) -> None:
    for one in weeks.of(FAULT, **site):
        one.refused = round(one.rows * share)
        one.rows -= one.refused


def refuse_objects(weeks: Weeks, every: int, **site: object) -> None:
    for one in list(weeks.of(FAULT, **site))[::every]:
        one.state, one.reason = "refused", "gzip_corrupt"


def fail(weeks: Weeks, **site: object) -> None:
    for one in weeks.of(FAULT, **site):
        one.stuck = True
        key = (one.site.log_type, one.site.account, one.site.region, one.time.date())
        weeks.failed[key] = "40 % of the records are refused"


def deny(weeks: Weeks) -> None:
    failure = ListingFailure("flow", WEST, None, "denied", "s3:ListBucket is denied", False)
    weeks.failures = lambda run: [failure] if run >= FAULT else []


def pause(weeks: Weeks) -> None:
    weeks.paused = lambda run: run >= FAULT


def silence(entity: str, within: int = 8, **site: object) -> Fault:
    return Fault(f"silence of {entity}", lambda weeks: stop(weeks, **site), f"silence/{entity}", within)


FAULTS = (
    silence(f"dns/{EAST}/us-east-1/vpc-main", scope="vpc-main"),
    silence(f"dns/{EAST}/us-east-1/vpc-office", scope="vpc-office", within=11),
    silence(f"flow/{WEST}/eu-west-1/fl-shop", scope="fl-shop"),
    silence(f"flow/{WEST}/us-west-2/fl-nightly", scope="fl-nightly"),
    silence(f"flow/{WEST}/eu-west-1", log_type=FLOW, region="eu-west-1"),
    silence(f"flow/{WEST}", log_type=FLOW, account=WEST),
    silence("flow", log_type=FLOW),
    Fault(
        "an outage that is made up for",
        lambda weeks: hold(weeks, FAULT + 6 * HOUR, scope="fl-east"),
        f"silence/flow/{EAST}/us-east-1/fl-east",
    ),
    Fault(
        "most hosts of a VPC",
        lambda weeks: volume(weeks, 0.3, scope="vpc-main"),
        f"volume_drop/dns/{EAST}/us-east-1/vpc-main",
    ),
    Fault(
        "a filter on a flow log that has grown",
        lambda weeks: volume(weeks, 0.1, scope="fl-shop"),
        f"volume_drop/flow/{WEST}/eu-west-1/fl-shop",
    ),
    Fault(
        "most of a region",
        lambda weeks: volume(weeks, 0.2, region="ap-southeast-2"),
        f"volume_drop/flow/{WEST}/ap-southeast-2",
    ),
    Fault(
        "a scan",
        lambda weeks: volume(weeks, 20, scope="fl-shrinking"),
        f"volume_rise/flow/{WEST}/eu-west-1/fl-shrinking",
    ),
    Fault(
        "slow loading",
        lambda weeks: slow_loading(weeks, timedelta(hours=4), log_type=FLOW),
        "ingest_lag/flow",
        within=10,
    ),
    Fault(
        "slow delivery",
        lambda weeks: slow_delivery(weeks, timedelta(hours=2.4), log_type=DNS),
        "ingest_lag/dns",
        within=10,
    ),
    Fault(
        "a new format",
        lambda weeks: refuse_records(weeks, 0.02, scope="vpc-berlin"),
        f"quarantine_rise/dns/{EAST}/eu-central-1/vpc-berlin",
    ),
    Fault(
        "a new record that is rare",
        lambda weeks: refuse_records(weeks, 0.001, scope="fl-east"),
        f"quarantine_rise/flow/{EAST}/us-east-1/fl-east",
        within=12,
    ),
    Fault(
        "broken objects",
        lambda weeks: refuse_objects(weeks, 4, scope="fl-east"),
        "refused_objects_rise/flow",
    ),
    Fault(
        "a failed partition",
        lambda weeks: fail(weeks, log_type=FLOW, region="us-east-1"),
        f"freshness/flow/{EAST}/us-east-1",
        within=10,
    ),
    Fault("an account that is denied", deny, f"freshness/flow/{WEST}/listing"),
    Fault("a paused DAG", pause, "no_runs"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_makes_its_finding_and_no_other(fault, good_weeks, lived, tmp_path):
    weeks = copy.deepcopy(good_weeks)
    fault.strike(weeks)
    watched = Watched(weeks, tmp_path, copy=lived, lived=LIVED)

    found = [alarms(watched.at(now).findings) for now in hours(FAULT, FAULT + fault.within * HOUR)]

    expected = {"no_runs/vpc_dns", "no_runs/vpc_flow"} if fault.alarm == "no_runs" else {fault.alarm}
    assert found[0] == set()
    assert set().union(*found) == expected


def test_good_weeks_make_no_alarm(good_weeks, tmp_path):
    watched = Watched(copy.deepcopy(good_weeks), tmp_path)
    times = {
        *hours(BEGIN, END, step=8),
        *hours(LAUNCH, LAUNCH + 6 * HOUR),
        *hours(SWITCH + 3 * HOUR, SWITCH + 6 * HOUR),
    }
    times |= {*hours(CLOCK_CHANGE + 6 * HOUR, CLOCK_CHANGE + 12 * HOUR), *hours(at(28, 6), at(28, 12))}

    found = {now: alarms(watched.at(now).findings) for now in sorted(times)}

    assert {now: keys for now, keys in found.items() if keys} == {}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_good_weeks_make_no_alarm_in_any_hour(good_weeks, tmp_path):
    watched = Watched(copy.deepcopy(good_weeks), tmp_path)

    found = {now: alarms(watched.at(now).findings) for now in hours(BEGIN, END)}

    assert {now: keys for now, keys in found.items() if keys} == {}


def test_outage_is_reported_only_while_it_lasts(good_weeks, tmp_path):
    weeks = copy.deepcopy(good_weeks)
    began, ended = at(15, 10), at(15, 19)
    weeks.drop(list(weeks.of(began, ended, scope="fl-east")))
    watched = Watched(weeks, tmp_path)
    times = [*hours(began, at(16)), *hours(at(16), END, step=6), *hours(at(22, 8), at(22, 22), step=2)]

    found = {now: alarms(watched.at(now).findings) for now in sorted(set(times))}

    key = f"silence/flow/{EAST}/us-east-1/fl-east"
    assert {now for now, keys in found.items() if keys} == set(hours(began + 4 * HOUR, ended + HOUR))
    assert set().union(*found.values()) == {key}


def test_a_backfill_of_old_days_is_no_late_data(good_weeks, lived, tmp_path):
    weeks = copy.deepcopy(good_weeks)
    for one in weeks.of(at(5), at(7), log_type=DNS):
        copied = copy.copy(one)
        copied.time, copied.delivered = one.time - timedelta(days=30), FAULT
        weeks.deliveries.append(copied)
    watched = Watched(weeks, tmp_path, copy=lived, lived=LIVED)

    found = [alarms(watched.at(now).findings) for now in hours(FAULT, FAULT + 4 * HOUR)]

    assert set().union(*found) == set()


def test_replaced_flow_log_is_info_and_no_alarm(good_weeks, tmp_path):
    watched = Watched(copy.deepcopy(good_weeks), tmp_path)

    findings = watched.at(SWITCH + 5 * HOUR + HOUR / 2).findings

    assert [(one.key, one.severity.value) for one in findings] == [
        (f"silence/flow/{EAST}/eu-central-1/fl-version2", "info")
    ]
    assert "fl-version5 began then" in findings[0].message
