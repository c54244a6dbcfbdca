"""The mutation table: each fault makes exactly its finding, and a clean day makes none."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.include.vpclogs.audits.deliveries import (
    MIDNIGHT,
    V2,
    Day,
    Delivered,
    dns_day,
    dns_record,
    each_line,
    each_record,
    flow_day,
    flow_line,
    unreadable,
)
from vpclogs.parsing.model import ObjectState
from vpclogs.partitions import LogType
from vpclogs.warehouse.tables import Warehouse

NOON = int(MIDNIGHT.timestamp()) + 43200
START, END, STATUS = 10, 11, 13


def only_traffic(change: Callable[[list[str]], list[str]]) -> Callable[[list[str]], list[str] | None]:
    return lambda values: change(values) if values[STATUS] == "OK" else None


def with_value(place: int, value: str) -> Callable[[list[str]], list[str]]:
    return lambda values: [*values[:place], value, *values[place + 1 :]]


def moved(hours: float) -> Callable[[list[str]], list[str]]:
    def move(values: list[str]) -> list[str]:
        start, end = (str(int(values[place]) + int(hours * 3600)) for place in (START, END))
        return [*values[:START], start, end, *values[END + 1 :]]

    return move


def flow(change: Callable[[list[str]], list[str] | None], *, every: int = 1) -> Day:
    day = flow_day()
    each_line(day, change, every=every)
    return day


def flow_and(*more: Delivered) -> Day:
    day = flow_day()
    day.objects.extend(more)
    return day


def flow_text(records: int, *, header: str = V2, tail: str = "", seed: int = 99) -> str:
    dice = random.Random(seed)
    return "\n".join([header, *(flow_line(dice, NOON) + tail for _ in range(records))]) + "\n"


def dns(*, every: int = 1, **changes: object) -> Day:
    day = dns_day()
    each_record(day, every=every, **changes)
    return day


def unread(state: ObjectState, reason: str, count: int = 1) -> list[Delivered]:
    return [Delivered(f"bad/{number}", "", fate=unreadable(state, reason)) for number in range(count)]


def same_records_by_a_second_flow_log() -> Day:
    day = flow_day()
    header, *lines = day.objects[0].text.splitlines()
    other_order = header.replace("version account-id", "account-id version")
    swapped = [" ".join([values[1], values[0], *values[2:]]) for values in (line.split(" ") for line in lines)]
    day.objects.append(Delivered("flow/second.log", "\n".join([other_order, *swapped]) + "\n", scope="fl-2"))
    return day


def one_query_log_delivered_again() -> Day:
    day = dns_day()
    day.objects.append(replace(day.objects[0], name="dns/again.log", etag="again"))
    return day


def small_copy() -> Day:
    text = flow_text(8)
    return flow_and(Delivered("flow/a.log", text, etag="same"), Delivered("flow/copy-of-a.log", text, etag="same"))


def dns_named(*versions: str) -> Day:
    day = dns_day()
    at = MIDNIGHT + timedelta(hours=12)
    for version in versions:
        record = dns_record(random.Random(3), at) | {"version": version}
        day.objects.append(Delivered(f"dns/{version}.log", json.dumps(record) + "\n"))
    return day


FAULTS = [
    pytest.param("failed_objects", lambda: flow_and(*unread(ObjectState.FAILED, "denied")), id="denied object"),
    pytest.param(
        "mostly_refused refused_objects",
        lambda: flow_and(*[Delivered(f"flow/{n}.txt", '{"a": 1}\n') for n in range(13)]),
        id="more than half of the objects refused",
    ),
    pytest.param("refused_objects", lambda: flow_and(Delivered("flow/x", '{"a": 1}\n')), id="one object refused"),
    pytest.param(
        "refused_objects",
        lambda: flow_and(*[Delivered(f"stray/{n}", "", problem="key_layout") for n in range(30)]),
        id="many stray objects stop nobody",
    ),
    pytest.param(
        "other_logs",
        lambda: flow_and(*[Delivered(f"tgw/{n}", "version tgw-id start end log-status\n") for n in range(20)]),
        id="transit gateway logs under the prefix",
    ),
    pytest.param("gone_objects", lambda: flow_and(*unread(ObjectState.GONE, "gone")), id="object deleted meanwhile"),
    pytest.param("changed_objects", lambda: flow_and(*unread(ObjectState.CHANGED, "changed")), id="object rewritten"),
    pytest.param(
        "empty_objects",
        lambda: flow_and(*[Delivered(f"flow/{n}.txt", V2 + "\n") for n in range(13)]),
        id="empty objects",
    ),
    pytest.param("copied_objects", small_copy, id="object copied"),
    pytest.param("quarantined_share", lambda: flow(with_value(START, "x"), every=15), id="flow records refused"),
    pytest.param("quarantined_share", lambda: dns(every=15, srcaddr=None), id="queries refused"),
    pytest.param(
        "nothing_loaded",
        lambda: Day(LogType.VPC_FLOW, [Delivered("flow/0", f"{V2}\nx\ny\n")]),
        id="all of a tiny partition refused",
    ),
    pytest.param("repeated_records", same_records_by_a_second_flow_log, id="two flow logs over the same interfaces"),
    pytest.param("repeated_records", one_query_log_delivered_again, id="queries delivered twice"),
    pytest.param("null_values", lambda: flow(only_traffic(with_value(3, "-")), every=10), id="addresses missing"),
    pytest.param("late_events", lambda: flow(moved(-48), every=20), id="flow records two days late"),
    pytest.param(
        "late_events", lambda: dns(every=20, query_timestamp="2022-10-03T10:00:00Z"), id="queries four days late"
    ),
    pytest.param("early_events", lambda: flow(moved(30), every=20), id="flow records of tomorrow"),
    pytest.param("misdated_events", lambda: flow(moved(-24 * 365), every=20), id="flow records of a year ago"),
    pytest.param(
        "misdated_events", lambda: dns(every=20, query_timestamp="2038-01-01T00:00:00Z"), id="queries of 2038"
    ),
    pytest.param("foreign_accounts", lambda: flow(with_value(1, "210987654321"), every=50), id="foreign flows"),
    pytest.param("foreign_accounts", lambda: dns(every=50, account_id="210987654321"), id="foreign queries"),
    pytest.param(
        "foreign_regions",
        lambda: flow_and(Delivered("flow/r.log", flow_text(100, header=V2 + " region", tail=" eu-west-1"))),
        id="flows of another region",
    ),
    pytest.param("foreign_regions", lambda: dns(every=20, region="eu-west-1"), id="queries of another region"),
    pytest.param("unknown_versions", lambda: flow(with_value(0, "12")), id="flow log version of the future"),
    pytest.param("unknown_versions", lambda: dns_named("1.200000"), id="query log version of the future"),
    pytest.param(
        "unknown_fields",
        lambda: flow_and(Delivered("flow/n.log", flow_text(10, header=V2 + " mood", tail=" good"))),
        id="new flow log field",
    ),
    pytest.param("unknown_fields", lambda: dns(every=100, mood="good"), id="new query log field"),
    pytest.param("unknown_values", lambda: flow(only_traffic(with_value(12, "MIRROR")), every=100), id="new action"),
    pytest.param("unknown_values", lambda: dns(every=100, transport="QUIC"), id="new transport"),
    pytest.param(
        "skipdata_share",
        lambda: flow(lambda values: [*values[:3], *["-"] * 7, *values[10:12], "-", "SKIPDATA"], every=50),
        id="AWS skipped much",
    ),
]


def idle_interfaces() -> Day:
    return flow(lambda values: [*values[:3], *["-"] * 7, *values[10:12], "-", "NODATA"])


def richer_format_beside() -> Day:
    tail = " vpc-1 subnet-1 us-west-2"
    return flow_and(Delivered("flow/v4.log", flow_text(300, header=V2 + " vpc-id subnet-id region", tail=tail)))


def format_without_ports() -> Day:
    """Records that cannot be told apart are not taken for copies."""
    day = flow_day()
    lines = [f"eni-1 10.0.0.1 {NOON} {NOON + 60} OK"] * 200
    text = "\n".join(["interface-id srcaddr start end log-status", *lines]) + "\n"
    day.objects += [Delivered("flow/p1.log", text), Delivered("flow/p2.log", text + lines[0] + "\n")]
    return day


def tiny(*lines: str) -> Day:
    return Day(LogType.VPC_FLOW, [Delivered("flow/0", "\n".join([V2, *lines]) + "\n")])


CLEAN = [
    pytest.param(flow_day, id="flow logs"),
    pytest.param(dns_day, id="query logs"),
    pytest.param(lambda: flow_day(objects=2, records=3000), id="flow logs, more than the sample holds"),
    pytest.param(idle_interfaces, id="all interfaces idle"),
    pytest.param(richer_format_beside, id="two formats"),
    pytest.param(format_without_ports, id="format without ports"),
    pytest.param(lambda: flow(moved(-1.2), every=20), id="records of before midnight"),
    pytest.param(lambda: flow(with_value(START, "x"), every=30), id="few records refused"),
    pytest.param(lambda: flow(with_value(1, "unknown"), every=3), id="account unknown"),
    pytest.param(lambda: tiny(flow_line(random.Random(1), NOON), "x"), id="half of two records refused"),
    pytest.param(lambda: tiny(f"2 123456789012 eni-1 - - - - - - - {NOON} {NOON} - SKIPDATA"), id="one SKIPDATA"),
    pytest.param(lambda: Day(LogType.VPC_FLOW, [Delivered("flow/0", "")]), id="one empty object"),
    pytest.param(lambda: Day(LogType.VPC_FLOW, [Delivered("flow/0", V2 + "\n")]), id="one header"),
]


@pytest.mark.parametrize(("expected", "make_day"), FAULTS)
def test_a_fault_makes_exactly_its_finding(expected: str, make_day: Callable[[], Day], warehouse: Warehouse) -> None:
    findings = make_day().audited(warehouse)

    assert [finding.check for finding in findings] == expected.split()
    assert all(finding.example for finding in findings)


@pytest.mark.parametrize("make_day", CLEAN)
def test_a_clean_day_makes_none(make_day: Callable[[], Day], warehouse: Warehouse) -> None:
    assert make_day().audited(warehouse) == []


@pytest.mark.parametrize(("expected", "make_day"), FAULTS)
def test_the_same_is_found_when_batches_share_the_partition(
    expected: str, make_day: Callable[[], Day], warehouse: Warehouse
) -> None:
    findings = make_day().audited(warehouse, batches=3)

    assert [finding.check for finding in findings] == expected.split()
