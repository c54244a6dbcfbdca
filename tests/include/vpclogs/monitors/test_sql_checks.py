"""Checks in SQL files: what a header must say, and what rows become."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.pipelines import dns_key, event, finish, flow_key, make_pipeline, put_lines, run_hour
from vpclogs.config.settings import QuerySettings
from vpclogs.errors import ConfigError
from vpclogs.findings import MonitorFinding, Severity
from vpclogs.monitors.checking import run_checks
from vpclogs.monitors.sql_checks import check_files, read_check, run_check
from vpclogs.partitions import LogType
from vpclogs.querying.process import Tables

HEADER = "-- severity: error\n-- message: too many\n"
SHIPPED = Path(__file__).parents[4] / "config" / "checks"


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "many.sql") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_file_with_a_header_is_a_check(write):
    check = read_check(write("-- by the network team\n" + HEADER + "-- log_type: vpc_dns\nselect 1\n"))

    assert (check.name, check.severity, check.message, check.log_type) == ("many", "error", "too many", "vpc_dns")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("select 1", "many.sql:1: the header has no line `-- severity: …`", id="no header"),
        pytest.param("-- severity: error\nselect 1", "the header has no line `-- message: …`", id="no message"),
        pytest.param(HEADER + "-- log_type: dns\nselect 1", "many.sql:3: log_type is 'dns'; write vpc_dns", id="value"),
        pytest.param("-- severity: fatal\nselect 1", "many.sql:1: severity is 'fatal'; write info or", id="severity"),
        pytest.param(HEADER + "-- severty: error\nselect 1", "many.sql:3: the header has no key 'severty'", id="typo"),
        pytest.param(HEADER + "-- message: x\nselect 1", "many.sql:3: message is a duplicate", id="twice"),
        pytest.param("select 1\n" + HEADER, "many.sql:1: the header has no line", id="header after the SQL"),
    ],
)
def test_a_bad_header_is_named_with_file_and_line(write, text, complaint):
    with pytest.raises(ConfigError) as caught:
        read_check(write(text))

    assert complaint in str(caught.value)


def test_a_file_name_that_makes_no_key_is_refused(write):
    with pytest.raises(ConfigError, match="small letters"):
        read_check(write(HEADER + "select 1", name="Many Refused.sql"))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="is not a folder"):
        check_files(tmp_path / "nothing")


def run_alone(path: Path) -> MonitorFinding | None:
    """Run a check in a deployment that has loaded nothing yet."""
    catalog = {"type": "sql", "uri": f"sqlite:///{path.parent}/c.db", "warehouse": f"file://{path.parent}/lake"}
    return run_check(read_check(path), Tables(catalog, "logs"), QuerySettings())


def test_each_row_is_a_violation_and_some_are_shown(write):
    finding = run_alone(write(HEADER + "select range as port, 'x' as why from range(5)"))

    assert finding is not None
    assert finding.key == "sql/many"
    assert finding.message == "too many: 5 rows, such as port=0, why=x; port=1, why=x; port=2, why=x"


def test_no_row_is_no_finding(write):
    assert run_alone(write(HEADER + "select 1 where false")) is None


def test_broken_check_stops_no_other(s3, bucket, tmp_path, write):
    pipeline = make_pipeline(tmp_path, bucket, s3)
    put_lines(s3, bucket, dns_key("2100"), [event(), event(rcode="NXDOMAIN")])
    run_hour(pipeline, "run")
    write(HEADER + "select query_name from vpc_dns where rcode = 'NXDOMAIN'", name="nxdomain.sql")
    write(HEADER + "drop table vpc_dns", name="writes.sql")
    write(HEADER + "select nothing from vpc_dns", name="wrong.sql")
    write("select 1", name="bare.sql")
    pipeline.settings = pipeline.settings.model_copy(update={"checks_folder": tmp_path})

    found = {finding.key: finding for finding in run_checks(pipeline).findings}

    assert set(found) == {"sql/nxdomain", "broken_checks/writes", "broken_checks/wrong", "broken_checks/bare"}
    assert "1 row, such as query_name=ec2messages" in found["sql/nxdomain"].message
    assert all(one.severity is Severity.ERROR for one in found.values())
    assert {alert.key for alert in pipeline.ledger.alerts.all()} == set(found)


def test_a_check_waits_for_its_table(s3, bucket, tmp_path, write):
    pipeline = make_pipeline(tmp_path, bucket, s3)
    write(HEADER + "select * from vpc_flow")
    pipeline.settings = pipeline.settings.model_copy(update={"checks_folder": tmp_path})

    assert run_checks(pipeline).findings == []


def test_shipped_checks_find_their_violations_in_real_tables(s3, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=lambda: datetime.now(UTC))
    now = datetime.now(UTC)
    day, second = f"{now:%Y/%m/%d}", int(now.timestamp())
    time = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    names = [event(query_name=f"{number:060}.example.com.", query_timestamp=time) for number in range(1001)]
    put_lines(s3, bucket, dns_key("0000", day=day), names)
    flows = [b"version start end log-status", f"2 {second} {second - 60} OK".encode()]
    put_lines(s3, bucket, flow_key("0000", day=day), flows)
    for log_type in LogType:
        finish(pipeline, log_type, pipeline.plan(log_type, run_key=log_type))
    pipeline.settings = pipeline.settings.model_copy(update={"checks_folder": SHIPPED})

    found = {one.key: one.message for one in run_checks(pipeline).findings}

    assert set(found) == {"sql/dns_tunnel_names", "sql/flow_without_end"}
    assert "domain=example.com, names=1001" in found["sql/dns_tunnel_names"]
