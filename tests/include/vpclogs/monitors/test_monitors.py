"""What the thirty days do not show: drift, accounts without a source, monitors that fail, settings, the reference."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.pipelines import dns_key, event, make_pipeline, put_lines, run_hour
from tests.simulated_weeks import EAST, FLOW, Site, Watched, alarms, at, simulate, steady
from vpclogs.config.monitor_settings import MONITOR_NAMES, MonitorSettings
from vpclogs.config.settings import Settings
from vpclogs.config.sources import AccountFilter
from vpclogs.ledger import Ledger
from vpclogs.ledger.schema_features import SchemaFeature
from vpclogs.monitors.catalogue import MONITORS
from vpclogs.monitors.drift import drifts
from vpclogs.monitors.entities import Entity, widest
from vpclogs.monitors.reading import read_snapshot
from vpclogs.monitors.running import look, run

NOW = datetime(2026, 3, 24, 12, tzinfo=UTC)
VPC = Entity("vpc_dns", "dns", "123456789012", "us-west-2", "vpc-1")
OTHER = VPC._replace(scope="vpc-2")


def test_settings_and_catalogue_list_the_same_monitors():
    assert tuple(monitor.name for monitor in MONITORS) == MONITOR_NAMES


def test_one_cause_is_one_finding():
    region = VPC.parent
    everything = [VPC, OTHER, region, region.parent, region.parent.parent]

    assert set(widest(dict.fromkeys([VPC, OTHER, region], 1), everything)) == {region}
    assert set(widest(dict.fromkeys([VPC, region], 1), everything)) == {VPC}
    assert set(widest(dict.fromkeys([region], 1), everything)) == {region}


class Life:
    """A source whose statistics are told day by day."""

    def __init__(self, folder) -> None:
        sources = [{"name": "flow", "log_type": "vpc_flow", "bucket": "logs"}]
        self.settings = Settings.model_validate({"ledger": f"sqlite:///{folder}/ledger.db", "sources": sources})
        self.ledger = Ledger(self.settings.ledger)

    def day(self, number: int, *names: tuple[str, str]) -> list[str]:
        """What drifts on a day on which records had these versions, fields and columns."""
        now = NOW + timedelta(days=number)
        entity = ("vpc_flow", "flow", "123456789012", "us-west-2")
        seen = [(SchemaFeature(*entity, kind, name), now.date(), None) for kind, name in [("records", ""), *names]]
        self.ledger.traits.keep(seen, staged_at=now, now=now)
        return [f"{one.severity or 'warning'} {one.about}" for one in drifts(self.snapshot(now))]

    def snapshot(self, now):
        return read_snapshot(self.ledger, self.settings, now=now)


OLD = [("version", "3"), ("column", "srcAddr")]


def test_the_first_days_of_a_source_are_no_drift(tmp_path):
    life = Life(tmp_path)

    assert [life.day(number, *OLD) for number in range(4)] == [[]] * 4


def test_unknown_field_is_reported_for_two_days(tmp_path):
    life = Life(tmp_path)
    life.day(0, *OLD)

    found = [life.day(number, *OLD, ("unknown_field", "quantum-id")) for number in (5, 6, 7)]

    assert found == [["warning unknown_field/quantum-id"]] * 2 + [[]]


def test_known_new_version_is_info_and_unknown_one_a_warning(tmp_path):
    life = Life(tmp_path)
    life.day(0, *OLD)

    assert life.day(5, *OLD, ("version", "5"), ("version", "99")) == ["info version/5", "warning version/99"]


def test_column_that_loses_its_values_is_reported_the_next_day(tmp_path):
    site = Site(FLOW, EAST, "us-east-1", "fl-east", steady(5_000))
    watched = Watched(simulate([site], days=12, per_hour=1), tmp_path)
    found = {}
    for number in range(1, 12):
        names = ["srcAddr", "vpcId"] if number < 7 else ["srcAddr"]
        traits = [
            ("records", ""),
            *(("column", name) for name in names),
            *([("column", "rare")] if number == 3 else []),
        ]
        seen = [(SchemaFeature("vpc_flow", "flow", EAST, "us-east-1", *one), at(number).date(), None) for one in traits]
        watched.ledger.traits.keep(seen, staged_at=at(number), now=at(number))
        found[number] = alarms(watched.at(at(number, 12)).findings)

    assert {number: keys for number, keys in found.items() if keys} == {
        number: {"schema_drift/flow/dropped/vpcId"} for number in (8, 9)
    }


def test_failing_monitor_is_a_finding_and_stops_no_other(tmp_path):
    snapshot = Life(tmp_path).snapshot(NOW)

    report = look(snapshot, {"uncovered_accounts": OSError("no route to host")})

    assert [one.key for one in report.findings] == ["failed_monitors/uncovered_accounts"]
    assert report.judged == {name for name in MONITOR_NAMES if name not in ("uncovered_accounts", "broken_checks")}


def test_accounts_read_by_no_source_are_named_unless_denied(s3, bucket, tmp_path):
    now = datetime(2022, 10, 7, 23, tzinfo=UTC)
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=lambda: now)
    for account in ("123456789012", "210987654321", "333333333333"):
        put_lines(s3, bucket, dns_key("2100", account=account), [event()])
    put_lines(s3, bucket, dns_key("2100", account="444444444444", day="2021/10/07"), [event()])
    dns, flow = pipeline.settings.sources

    def found(accounts: AccountFilter) -> set[str]:
        sources = (dns.model_copy(update={"accounts": accounts}), flow)
        pipeline.settings = pipeline.settings.model_copy(update={"sources": sources})
        return {one.key for one in run(pipeline).findings if one.monitor == "uncovered_accounts"}

    assert found(AccountFilter(allow=("123456789012",))) == {
        "uncovered_accounts/dns/210987654321",
        "uncovered_accounts/dns/333333333333",
    }
    assert found(AccountFilter(deny=("210987654321",))) == set()
    assert found(AccountFilter()) == set()


def test_lag_of_the_ledger_matches_the_table_within_minutes(s3, bucket, tmp_path):
    """The ledger knows an object's minute and its publish, the table each record's time and its parsing."""
    now = datetime(2022, 10, 7, 23, tzinfo=UTC)
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=lambda: now)
    put_lines(s3, bucket, dns_key("2135"), [event()])
    run_hour(pipeline, "run")

    snapshot = read_snapshot(pipeline.ledger, pipeline.settings, now=now)
    # the test's server dates objects today, so that the ledger has them as a backfill: read it without
    [row] = pipeline.ledger.watching.loaded(since=now - timedelta(hours=3), days=date(2022, 10, 7))
    table = pipeline.warehouse.table("vpc_dns").scan(selected_fields=("p_event_time", "p_parse_time")).to_arrow()
    exact = table["p_parse_time"][0].as_py() - table["p_event_time"][0].as_py()

    assert snapshot.loaded.empty
    assert timedelta(0) <= (row.settled_at - datetime(2022, 10, 7, 21, 35, tzinfo=UTC)) - exact < timedelta(minutes=5)


def test_what_the_settings_ignore_makes_no_alert(s3, bucket, tmp_path):
    now = datetime(2022, 10, 7, 23, tzinfo=UTC)
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=lambda: now)
    put_lines(s3, bucket, dns_key("2100"), [event(quantum="x")])
    run_hour(pipeline, "run")
    run(pipeline)
    assert [alert.key for alert in pipeline.ledger.alerts.all()] == ["schema_drift/dns/unknown_field/quantum"]

    later = now + timedelta(hours=3)
    ignoring = MonitorSettings(ignore=("schema_drift/*/quantum",))
    pipeline.settings = pipeline.settings.model_copy(update={"monitors": ignoring})
    run(pipeline, now=later)

    assert pipeline.ledger.alerts.all() == []


def test_severities_change_by_source():
    settings = MonitorSettings.model_validate(
        {"severities": {"silence": "warning"}, "per_source": {"lab": {"severities": {"silence": False}}}}
    )

    assert settings.for_source("dns").severities == {"silence": "warning"}
    assert settings.for_source("lab").severities == {"silence": "off"}
    with pytest.raises(ValueError, match="did you mean silence"):
        MonitorSettings.model_validate({"severities": {"silense": "info"}})
