"""Folders, ids, regions and keys of any length and of any characters."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.include.vpclogs.cli.conftest import deploy, keys
from tests.pipelines import dns_key, event, flow_key, make_pipeline, put_lines, rows, run_hour
from vpclogs.config.audit_thresholds import AuditSettings
from vpclogs.errors import PartitionsFailed
from vpclogs.findings import MonitorFinding
from vpclogs.ledger.database import Database
from vpclogs.maintenance.reconciliation import reconcile
from vpclogs.monitors.running import run
from vpclogs.partitions import LogType
from vpclogs.pipeline import Pipeline

if TYPE_CHECKING:
    from demo.seaweed import Seaweed

ACCOUNT, OTHER = "123456789012", "222222222222"
FORGED = "moon\x1b[2K\nvpclogs: published 5 partitions"


def test_plan_and_status_name_the_folders_that_no_layout_has(seaweed: Seaweed, s3: Any, bucket, tmp_path):
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    s3.put_object(Bucket=bucket, Key=f"AWSLogs/{ACCOUNT}/vpcdnsquerylogs/{FORGED}/x", Body=b"x")
    put_lines(s3, bucket, dns_key("0000", day=today.replace("-", "/")), [event()])
    deployment = deploy(tmp_path, bucket, seaweed.endpoint, **keys(seaweed))
    days = ("--log-type", "vpc_dns", "--from", today, "--to", today)

    plan, load, status = (
        deployment.vpclogs("plan", *days),
        deployment.vpclogs("load", *days),
        deployment.vpclogs("status"),
    )

    assert load.returncode == 0, load.stderr
    for done in (plan, status):
        (line,) = [line for line in done.stderr.splitlines() if "not understood" in line]
        assert f"(source dns): 1 folder: AWSLogs/{ACCOUNT}/vpcdnsquerylogs/moon\\x1b[2K\\nvpclogs: " in line


def test_a_monitor_names_the_folders_of_the_newest_listing(s3: Any, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3)
    put_lines(s3, bucket, flow_key("2100"), [b"version account-id", b"2 123456789012"])

    run_hour(pipeline, "without the folder", LogType.VPC_FLOW)
    before = unread(pipeline)
    s3.put_object(Bucket=bucket, Key=f"AWSLogs/{ACCOUNT}/vpcflowlogs/{FORGED}/x", Body=b"x")
    run_hour(pipeline, "with the folder", LogType.VPC_FLOW)
    (after,) = unread(pipeline)

    assert before == []
    assert after.key == "unread_folders/flow"
    assert "1 folder: AWSLogs/123456789012/vpcflowlogs/moon\\x1b[2K\\nvpclogs: " in after.message


def unread(pipeline: Pipeline) -> list[MonitorFinding]:
    return [one for one in run(pipeline).findings if one.monitor == "unread_folders"]


def below(key: str) -> str:
    """Return what a key has below the account's folder."""
    return key.removeprefix(f"AWSLogs/{ACCOUNT}/")


DNS, FLOW = below(dns_key("2100")), below(flow_key("2100"))
ODD_KEYS = {
    "a folder of 150 characters for a VPC": f"vpcdnsquerylogs/{'x' * 150}/2022/10/07/{'x' * 150}.log.gz",
    "a VPC id of 150 digits": below(dns_key("2100", vpc="vpc-" + "a" * 150)),
    "a VPC id of 65 digits": below(dns_key("2100", vpc="vpc-" + "a" * 65)),
    "escape sequences and line breaks": DNS + "\x1b[2K\r\n\t\x7f",
    "a bidirectional override": DNS + "\u202e",
    "a character beyond the BMP": DNS + "\U0001f4a3",
    "quotes and templates": DNS + "'\";--${x}{{y}}%s%(a)s",
    "a long file name": DNS + "y" * 150,
    "a flow log id of 150 digits": FLOW.replace("fl-1234abcd", "fl-" + "b" * 150),
    "digits of another script": FLOW.replace("2022/10/07/", "2022/10/07/\u0662\u0663/"),
}
ODD_REGIONS = (
    "",
    "eu",
    "eu-" + "a" * 300 + "-1",
    "eu-west-1\0",
    "\ud800",
    "../../x",
    "EU-WEST-1",
    "eu-west-1\n",
    5,
    ["x"],
)
FLOW_LINES = (
    b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    b"log-status",
    b"2 123456789012 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 40 1665176340 1665176399 ACCEPT OK",
)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new ledger."""
    if request.param == "SQLite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return str(request.getfixturevalue("postgres").create(f"names_{uuid4().hex}"))


def test_odd_keys_are_refused_one_by_one(ledger, s3: Any, bucket, tmp_path):
    odd = {f"AWSLogs/{OTHER}/{key.replace(ACCOUNT, OTHER)}": key for key in ODD_KEYS.values()}
    for key in odd:
        put_lines(s3, bucket, key, [event(account_id=OTHER)] if "vpcdns" in key else FLOW_LINES)
    longest = dns_key("2110", account=OTHER, vpc="vpc-" + "a" * 64)
    for key in (dns_key("2105"), longest):
        put_lines(s3, bucket, key, [event(account_id=key.split("/")[1])])
    put_lines(s3, bucket, flow_key("2105"), FLOW_LINES)
    pipeline = make_pipeline(tmp_path, bucket, s3, ledger=ledger)

    done = [run_hour(pipeline, str(kind), kind) for kind in LogType]
    report = run(pipeline)

    assert [one.rows for one in done] == [2, 1]
    refused = rows(pipeline, "quarantine", "reason", "p_source_key")
    assert {row["p_source_key"]: row["reason"] for row in refused} == dict.fromkeys(odd, "key_layout")
    assert not [one for one in report.findings if one.monitor == "failed_monitors"]
    assert [status.state for kind in LogType for status in pipeline.ledger.partitions.status(kind)] == ["published"] * 5


def test_records_with_odd_regions_are_refused_one_by_one(ledger, s3: Any, bucket, tmp_path):
    for number, region in enumerate(ODD_REGIONS):
        vpc = f"vpc-{number:08x}"
        lines = [event(account_id=OTHER, vpc_id=vpc, region=one) for one in (region, *["us-west-2"] * 200)]
        put_lines(s3, bucket, dns_key("2110", account=OTHER, vpc=vpc), lines)
    put_lines(s3, bucket, dns_key("2105"), [event()])
    pipeline = make_pipeline(tmp_path, bucket, s3, ledger=ledger)

    run_hour(pipeline, "run")

    assert set(pipeline.ledger.objects.known_scopes().values()) == {"us-west-2"}
    found = rows(pipeline, "vpc_dns", "p_account", "p_region", "region")
    assert {(row["p_region"], row["region"]) for row in found} == {("us-west-2", "us-west-2")}
    assert Counter(row["p_account"] for row in found) == {ACCOUNT: 1, OTHER: 200 * len(ODD_REGIONS)}
    refused = rows(pipeline, "quarantine", "field", "p_source_line")
    assert [(row["field"], row["p_source_line"]) for row in refused] == [("region", 1)] * len(ODD_REGIONS)
    assert not [one for one in run(pipeline).findings if one.monitor == "failed_monitors"]


def test_an_account_with_odd_regions_only_harms_no_other(ledger, s3: Any, bucket, tmp_path):
    put_lines(s3, bucket, dns_key("2110", account=OTHER), [event(account_id=OTHER, region="eu-" + "a" * 300 + "-1")])
    put_lines(s3, bucket, dns_key("2105"), [event()])
    pipeline = make_pipeline(tmp_path, bucket, s3, ledger=ledger)
    pipeline.settings = pipeline.settings.model_copy(update={"audit": AuditSettings()})

    said = fail_hour(pipeline, "run")

    assert f"not published (1):\n  {OTHER}|unknown|2022-10-07: " in said
    assert [row["p_account"] for row in rows(pipeline, "vpc_dns", "p_account")] == [ACCOUNT]


ODD_TEXTS = ("x" * 3000, "a\0b", "\ud800", "\x1b[2K\r\n", "\u202e", "\U0001f4a3", "'\";--%s")


def test_odd_names_and_values_of_fields_fit_every_ledger(ledger, s3: Any, bucket, tmp_path):
    odd = [event(**{name: name}) for name in ODD_TEXTS]
    odd += [event(**{field: text}) for text in ODD_TEXTS for field in ("rcode", "query_type", "version", "srcaddr")]
    put_lines(s3, bucket, dns_key("2100"), odd)
    put_lines(s3, bucket, dns_key("2105"), [event(account_id=text) for text in ODD_TEXTS])
    pipeline = make_pipeline(tmp_path, bucket, s3, ledger=ledger)

    with suppress(PartitionsFailed):
        run_hour(pipeline, "run")
    report = run(pipeline)
    done = reconcile(pipeline, LogType.VPC_DNS, run_key="reconcile")
    alerts = pipeline.ledger.alerts.all()

    staged = pipeline.ledger.manifests.staged(1)[0].outcomes
    assert sum(one.rows + one.refused for one in staged) == len(odd) + len(ODD_TEXTS)
    assert not [one for one in report.findings if one.monitor == "failed_monitors"]
    assert done.partitions >= 1
    assert {one.key for one in alerts} >= {one.key for one in report.findings}


def put_for_both(s3: Any, bucket: str, name: str) -> None:
    for account in (ACCOUNT, OTHER):
        put_lines(s3, bucket, dns_key(name, account=account), [event(account_id=account, srcport=name)])


def fail_hour(pipeline: Pipeline, run_key: str) -> str:
    with pytest.raises(PartitionsFailed) as failed:
        run_hour(pipeline, run_key)
    return str(failed.value)


def ports(pipeline: Pipeline, account: str) -> list[str]:
    found = rows(pipeline, "vpc_dns", "p_account", "srcport")
    return sorted(row["srcport"] for row in found if row["p_account"] == account)


def test_a_partition_whose_files_cannot_be_written_fails_alone(s3: Any, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3)
    folder = Path(pipeline.warehouse.table("vpc_dns").location().removeprefix("file://")) / "data"
    folder.mkdir(parents=True)
    (folder / f"p_account={OTHER}").write_text("in the way of a folder")
    put_for_both(s3, bucket, "2100")

    said = fail_hour(pipeline, "in the way")
    before = ports(pipeline, ACCOUNT), ports(pipeline, OTHER)
    (folder / f"p_account={OTHER}").unlink()
    run_hour(pipeline, "out of the way")

    assert f"not published (1):\n  {OTHER}|us-west-2|2022-10-07: " in said
    assert "a file of the partition cannot be written" in said
    assert before == (["2100"], [])
    assert ports(pipeline, OTHER) == ["2100"]


def test_a_warehouse_that_cannot_be_written_fails_the_batch(s3: Any, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3)
    folder = Path(pipeline.warehouse.table("vpc_dns").location().removeprefix("file://")) / "data"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way of all")
    put_for_both(s3, bucket, "2100")

    (batch,) = pipeline.plan("vpc_dns", run_key="run")
    with pytest.raises(OSError, match="data"):
        pipeline.stage(batch)


def refuse(database: Database, event: str) -> None:
    """Let the database refuse to insert or update the other account's rows of ``objects``."""
    body = {
        "sqlite": "BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        "postgresql": "EXECUTE FUNCTION refuse()",
    }[database.engine.dialect.name]
    with database.write() as connection:
        if database.engine.dialect.name == "postgresql":
            connection.exec_driver_sql(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE check_violation USING MESSAGE = 'not this one'; END $$"
            )
        connection.exec_driver_sql(
            f"CREATE TRIGGER refuse BEFORE {event} ON objects FOR EACH ROW WHEN (NEW.account = '{OTHER}') {body}"
        )


def accept(database: Database) -> None:
    """Let the database take all rows again."""
    of_table = "" if database.engine.dialect.name == "sqlite" else " ON objects"
    with database.write() as connection:
        connection.exec_driver_sql(f"DROP TRIGGER refuse{of_table}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("INSERT", f"source dns {OTHER} us-west-2 2022-10-07: the ledger rejects 1 objects, such as AWSLogs/"),
        ("UPDATE", f"{OTHER}|us-west-2|2022-10-07: the ledger rejects it: not this one"),
    ],
    ids=["listed", "published"],
)
def test_an_object_that_the_ledger_refuses_stops_no_other(change, words, ledger, s3: Any, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3, ledger=ledger)
    put_for_both(s3, bucket, "2100")

    refuse(pipeline.ledger.database, change)
    said = fail_hour(pipeline, "refused")
    before = ports(pipeline, ACCOUNT), ports(pipeline, OTHER)
    accept(pipeline.ledger.database)
    run_hour(pipeline, "accepted")

    assert words in said
    assert "not this one" in said
    assert before == (["2100"], [])
    assert ports(pipeline, OTHER) == ["2100"]
