"""The main job, end to end, on a real S3 server, catalog and ledger."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from demo.sample import DNS, Sample
from demo.seaweed import READER, Seaweed
from tests.factories import row_ids
from vpclogs.config.settings import Settings
from vpclogs.errors import PartitionsFailed, VpcLogsError
from vpclogs.partitions import LogType, Partition
from vpclogs.pipeline import Pipeline
from vpclogs.runs import RunCounts

DAYS = (date(2022, 10, 6), date(2022, 10, 7))
EVENING = datetime(2022, 10, 7, 23, tzinfo=UTC)

SEED_EVENT = (
    b'{"version":"1.100000","account_id":"0123456789012","region":"us-west-2","vpc_id":"vpc-c26c48ba",'
    b'"query_timestamp":"2022-10-07T21:39:49Z","query_name":"ec2messages.us-west-2.amazonaws.com.",'
    b'"query_type":"A","query_class":"IN","rcode":"NOERROR","answers":[{"Rdata":"52.94.176.105","Type":"A",'
    b'"Class":"IN"}],"srcaddr":"172.31.46.187","srcport":"52635","transport":"UDP",'
    b'"srcids":{"instance":"i-09d9aa4e31675db61"}}'
)


@pytest.fixture
def make_pipeline(tmp_path: Path, bucket: str, s3: Any) -> Callable[..., Pipeline]:
    """Pipelines over one bucket, ledger and warehouse; ``client`` and limits may differ."""

    def make(client: Any = s3, **limits: Any) -> Pipeline:
        settings = Settings.model_validate(
            {
                "ledger": f"sqlite:///{tmp_path}/ledger.db",
                "catalog": {
                    "type": "sql",
                    "uri": f"sqlite:///{tmp_path}/catalog.db",
                    "warehouse": f"file://{tmp_path}/warehouse",
                },
                "limits": limits,
                "audit": {"max_quarantined_share": 1},
                "sources": [
                    {"name": "dns", "log_type": "vpc_dns", "bucket": bucket},
                    {"name": "flow", "log_type": "vpc_flow", "bucket": bucket},
                ],
            }
        )
        return Pipeline(settings, client_for=lambda source: client, clock=lambda: EVENING, sleep=lambda s: None)

    return make


def dns_key(name: str, *, account: str = "123456789012", vpc: str = "vpc-c26c48ba", day: str = "2022/10/07") -> str:
    stem = f"{vpc}_vpcdnsquerylogs_{account}_{day.replace('/', '')}T{name}Z_0123abcd.log.gz"
    return f"AWSLogs/{account}/vpcdnsquerylogs/{vpc}/{day}/{stem}"


def put_lines(s3: Any, bucket: str, key: str, lines: list[bytes]) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(b"\n".join(lines) + b"\n"))


def event(**changes: Any) -> bytes:
    return json.dumps(json.loads(SEED_EVENT) | changes).encode()


def run(pipeline: Pipeline, run_key: str, log_type: LogType = LogType.VPC_DNS) -> RunCounts:
    """One hourly run, as the DAG does it."""
    return pipeline.run(pipeline.plan(log_type, run_key=run_key), run_key)


def count(pipeline: Pipeline, table: str) -> int:
    return int(pipeline.warehouse.table(table).scan().count())


def quarantine(pipeline: Pipeline) -> list[dict[str, Any]]:
    return list(pipeline.warehouse.table("quarantine").scan().to_arrow().to_pylist())


@pytest.mark.parametrize("log_type", list(LogType))
def test_every_record_of_the_sample_is_in_exactly_one_place(make_pipeline, bucket, s3, log_type):
    sample = Sample(seed=7, days=DAYS, scale=0.05)
    truth = sample.write(s3, bucket)
    pipeline = make_pipeline()

    done = run(pipeline, "hour 1", log_type)

    totals = truth.totals(log_type)
    assert count(pipeline, log_type) == totals.good
    assert Counter(row["reason"] for row in quarantine(pipeline)) == truth.reasons(log_type)
    assert done == RunCounts(
        planned=totals.objects,
        moved=0,
        partitions=len(truth.partitions(log_type)),
        objects=totals.objects,
        rows=totals.good,
        quarantined=totals.quarantine_rows,
    )
    for status in pipeline.ledger.partitions.status(log_type):
        wanted = truth.totals(log_type, partition=status.partition.key)
        certificate = status.certificate
        assert certificate.complete
        assert (certificate.listed, certificate.loaded, certificate.refused, certificate.empty) == (
            wanted.objects,
            wanted.loaded,
            wanted.refused_objects,
            wanted.empty,
        )
        assert (certificate.rows, certificate.quarantined) == (wanted.good, wanted.quarantine_rows)


def test_running_again_changes_nothing_and_late_objects_load_once(make_pipeline, bucket, s3):
    sample = Sample(seed=8, days=DAYS, scale=0.02)
    early, pipeline = sample.write(s3, bucket), make_pipeline()
    run(pipeline, "hour 1")

    assert run(pipeline, "hour 1").objects == 0
    assert count(pipeline, "vpc_dns") == early.totals(DNS).good

    late = sample.write(s3, bucket, late=True)
    assert run(pipeline, "hour 2").objects == late.totals(DNS).objects > 0
    run(pipeline, "hour 3")
    assert count(pipeline, "vpc_dns") == early.totals(DNS).good + late.totals(DNS).good


def test_the_documented_example_loads_byte_for_byte_with_its_indicators(make_pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2140"), [SEED_EVENT])
    pipeline = make_pipeline()

    run(pipeline, "hour 1")

    (row,) = pipeline.warehouse.table("vpc_dns").scan().to_arrow().to_pylist()
    event = json.loads(SEED_EVENT)
    assert {name: row[name] for name in event if name not in ("query_timestamp", "srcids")} == {
        name: value for name, value in event.items() if name not in ("query_timestamp", "srcids")
    }
    assert row["query_timestamp"] == row["p_event_time"] == datetime(2022, 10, 7, 21, 39, 49, tzinfo=UTC)
    assert row["srcids"]["instance"] == "i-09d9aa4e31675db61"
    assert row["p_any_ip_addresses"] == ["172.31.46.187", "52.94.176.105"]
    assert row["p_any_domain_names"] == ["ec2messages.us-west-2.amazonaws.com"]
    assert row["p_any_aws_instance_ids"] == ["i-09d9aa4e31675db61"]
    assert row["p_any_aws_account_ids"] is None  # 13 digits are no account id
    assert (row["p_account"], row["p_region"], row["p_day"]) == ("123456789012", "us-west-2", date(2022, 10, 7))
    assert row["p_log_type"] == "AWS.VPCDns"


def test_denied_account_fails_by_name_and_others_load(make_pipeline, bucket, s3, seaweed: Seaweed):
    for account in ("111111111111", "222222222222"):
        put_lines(s3, bucket, dns_key("2140", account=account), [event(account_id=account)])
    seaweed.deny(bucket, "AWSLogs/111111111111/")
    pipeline = make_pipeline(seaweed.client(READER))

    with pytest.raises(PartitionsFailed, match="source dns 111111111111"):
        run(pipeline, "hour 1")

    assert count(pipeline, "vpc_dns") == 1
    seaweed.deny(bucket)
    run(pipeline, "hour 2")
    assert count(pipeline, "vpc_dns") == 2


def test_unreadable_object_fails_only_its_partition(make_pipeline, bucket, s3, seaweed):
    for account in ("111111111111", "222222222222"):
        put_lines(s3, bucket, dns_key("2140", account=account), [event(account_id=account)])
    run_first = make_pipeline()
    assert len(run_first.plan("vpc_dns", run_key="learn the regions")) == 1
    seaweed.deny(bucket, "AWSLogs/111111111111/", listing=False)
    pipeline = make_pipeline(seaweed.client(READER))

    with pytest.raises(PartitionsFailed, match=r"111111111111\|us-west-2\|2022-10-07") as caught:
        run(pipeline, "hour 1")

    assert "222222222222" not in str(caught.value)
    assert count(pipeline, "vpc_dns") == 1
    (failed,) = [s for s in pipeline.ledger.partitions.status(LogType.VPC_DNS) if s.state == "failed"]
    assert failed.partition.account == "111111111111"
    assert "S3 refuses s3:GetObject" in failed.detail


@pytest.mark.parametrize("change", ["deleted", "rewritten"])
def test_an_object_that_changed_after_listing_is_noticed(change, make_pipeline, bucket, s3):
    key = dns_key("2140")
    put_lines(s3, bucket, key, [event()])
    put_lines(s3, bucket, dns_key("2145"), [event()])
    pipeline = make_pipeline()
    batches = pipeline.plan("vpc_dns", run_key="hour 1")
    if change == "deleted":
        s3.delete_object(Bucket=bucket, Key=key)
    else:
        put_lines(s3, bucket, key, [event(), event(), event()])

    for batch in batches:
        pipeline.stage(batch)
    pipeline.audit("hour 1")
    pipeline.publish("hour 1")
    pipeline.verdict("hour 1")
    assert count(pipeline, "vpc_dns") == 1

    run(pipeline, "hour 2")
    assert count(pipeline, "vpc_dns") == (1 if change == "deleted" else 4)
    (status,) = pipeline.ledger.partitions.status(LogType.VPC_DNS)
    assert status.certificate.gone == (1 if change == "deleted" else 0)
    assert status.certificate.complete


def test_an_object_rewritten_after_loading_replaces_its_rows(make_pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2140"), [event(), event()])
    put_lines(s3, bucket, dns_key("2145"), [event()])
    pipeline = make_pipeline()
    run(pipeline, "hour 1")

    put_lines(s3, bucket, dns_key("2140"), [event(srcport="1"), b"{broken"])
    run(pipeline, "hour 2")

    assert sorted(pipeline.warehouse.table("vpc_dns").scan().to_arrow().column("srcport").to_pylist()) == ["1", "52635"]
    assert len(quarantine(pipeline)) == 1


def test_line_of_50_megabytes_is_refused_and_neighbors_load(make_pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2140"), [event(), Random(1).randbytes(25 << 20).hex().encode(), event()])
    pipeline = make_pipeline()

    run(pipeline, "hour 1")

    assert count(pipeline, "vpc_dns") == 2
    (row,) = quarantine(pipeline)
    assert (row["reason"], row["p_source_line"], row["raw_complete"]) == ("line_too_long", 2, False)
    assert row["end"] - row["start"] == 50 << 20


def test_a_decompression_bomb_is_refused_whole(make_pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2140"), [event()] * 40_000)
    put_lines(s3, bucket, dns_key("2145"), [event()])
    pipeline = make_pipeline(max_object_bytes=1 << 20)

    run(pipeline, "hour 1")

    assert count(pipeline, "vpc_dns") == 1
    (row,) = quarantine(pipeline)
    assert (row["reason"], row["p_source_key"]) == ("object_too_large", dns_key("2140"))


def reload(pipeline: Pipeline, key: str, run_key: str) -> RunCounts:
    """One run of the partition DAG."""
    return pipeline.run(pipeline.plan_partition("vpc_dns", key, run_key=run_key), run_key)


def test_object_deleted_before_its_load_is_gone_not_pending(make_pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2140"), [event()])
    pipeline = make_pipeline()
    pipeline.plan("vpc_dns", run_key="a run that never went on")
    s3.delete_object(Bucket=bucket, Key=dns_key("2140"))

    reload(pipeline, "123456789012|us-west-2|2022-10-07", "reload")

    (status,) = pipeline.ledger.partitions.status(LogType.VPC_DNS)
    assert (status.certificate.gone, status.certificate.pending) == (1, 0)


def test_reload_of_an_unknown_partition_names_the_causes(make_pipeline):
    with pytest.raises(VpcLogsError, match="S3 has no object of this partition"):
        reload(make_pipeline(), "123456789012|us-west-2|2022-10-07", "reload")


def test_a_reload_of_one_partition_leaves_the_same_rows(make_pipeline, bucket, s3):
    sample = Sample(seed=9, days=DAYS, scale=0.02)
    sample.write(s3, bucket)
    pipeline = make_pipeline()
    run(pipeline, "hour 1")
    ids = sorted(
        pipeline.warehouse.table("vpc_dns").scan(selected_fields=("p_row_id",)).to_arrow().column(0).to_pylist()
    )
    key = pipeline.ledger.partitions.status(LogType.VPC_DNS)[0].partition.key

    assert reload(pipeline, key, "reload").partitions == 1

    assert row_ids(pipeline.warehouse) == ids
    assert Partition.parse(key, "vpc_dns") in [s.partition for s in pipeline.ledger.partitions.status(LogType.VPC_DNS)]
