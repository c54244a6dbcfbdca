"""Records lie in the partition of the region that they name, whatever was planned."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from demo.seaweed import READER
from tests.pipelines import dns_key, event, finish, flow_key, make_pipeline, put_lines, reload, rows, run_hour
from vpclogs.config.sources import RegionFilter
from vpclogs.errors import PartitionsFailed, VpcLogsError
from vpclogs.parsing import ParseLimits
from vpclogs.partitions import LogType, Partition
from vpclogs.pipeline import Pipeline
from vpclogs.staging.stage import stage

BROKEN = [b"{broken " + b"x" * 2000] * 600  # more than the head that is read to learn a region
UNKNOWN, WEST, EAST = "unknown", "us-west-2", "us-east-1"


def key(region: str) -> str:
    return f"123456789012|{region}|2022-10-07"


@pytest.fixture
def pipeline(tmp_path, bucket, s3) -> Pipeline:
    return make_pipeline(tmp_path, bucket, s3)


def placed(pipeline: Pipeline, table: str = "vpc_dns") -> Counter[str]:
    return Counter(row["p_region"] for row in rows(pipeline, table, "p_region"))


def refused(pipeline: Pipeline) -> Counter[tuple[str, str]]:
    return Counter((row["p_region"], row["reason"]) for row in rows(pipeline, "quarantine", "p_region", "reason"))


def assert_counted(pipeline: Pipeline, log_type: LogType = LogType.VPC_DNS) -> None:
    """The ledger counts what the tables hold, by partition, and each row is there once."""
    held, kept = placed(pipeline, log_type.value), Counter[str]()
    for (region, _), count in refused(pipeline).items():
        kept[region] += count
    counted = {
        one.partition.region: (one.certificate.rows, one.certificate.quarantined)
        for one in pipeline.ledger.partitions.status(log_type)
    }
    for region in held.keys() | kept.keys() | counted.keys():
        assert counted.get(region, (0, 0)) == (held[region], kept[region]), region
    for table in (log_type.value, "quarantine"):
        ids = [row["p_row_id"] for row in rows(pipeline, table)]
        assert len(ids) == len(set(ids))


def test_object_planned_without_a_region_follows_its_records(pipeline, tmp_path, bucket, s3, seaweed):
    """The policy lets the reader list and not read; it is mended after the plan, and the tasks are cleared."""
    put_lines(s3, bucket, dns_key("2100"), [event(srcport=str(port)) for port in range(12)])
    seaweed.deny(bucket, "AWSLogs/", listing=False)
    reader = make_pipeline(tmp_path, bucket, seaweed.client(READER))
    batches = reader.plan("vpc_dns", run_key="hour")
    with pytest.raises(PartitionsFailed, match=r"123456789012\|unknown\|2022-10-07"):
        finish(reader, "hour", batches)
    seaweed.deny(bucket)

    done = finish(pipeline, "hour", batches)

    assert (done.rows, placed(pipeline)) == (12, {WEST: 12})
    assert_counted(pipeline)
    (status,) = pipeline.ledger.partitions.status(LogType.VPC_DNS)
    assert (status.partition.region, status.state, status.certificate.complete) == (WEST, "published", True)
    assert pipeline.ledger.watching.failed(since=status.partition.day) == {}
    assert pipeline.ledger.objects.known_scopes() == {("123456789012", "vpc-c26c48ba"): WEST}


def test_early_refused_records_go_with_their_object(pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2100"), [*BROKEN, *[event()] * 3, b"{"])

    run_hour(pipeline, "hour")

    assert placed(pipeline) == {WEST: 3}
    assert refused(pipeline) == {(WEST, "not_json"): 601}
    assert_counted(pipeline)


def test_an_object_of_many_blocks_goes_to_one_partition(pipeline, bucket, s3):
    """Its rows are written before it has ended, and its first block has no good record."""
    noise = random.Random(1)
    names = ["".join(noise.choices("abcdefghijklmnopqrstuvwxyz", k=40)) + ".example.com." for _ in range(200)]
    lines = [*BROKEN, *[event(query_name=name, srcport=str(port)) for port in range(100) for name in names]]
    put_lines(s3, bucket, dns_key("2100"), lines)
    put_lines(s3, bucket, dns_key("2105"), [*BROKEN, event()])
    pipeline.plan("vpc_dns", run_key="hour")
    manifest = pipeline.ledger.manifests.latest("hour")
    assert {item.region for item in manifest.objects} == {UNKNOWN}

    result = stage(
        manifest.objects,
        log_type=LogType.VPC_DNS,
        stem="t",
        fetch=pipeline._fetch,
        warehouse=pipeline.warehouse,
        limits=ParseLimits(block_bytes=200_000, whole_object_bytes=500_000),
        now=pipeline.clock(),
    )
    pipeline.ledger.manifests.keep_staged(manifest.id, 0, result, now=pipeline.clock())
    pipeline.audit("hour")
    pipeline.publish("hour")

    assert placed(pipeline) == {WEST: 20_001}
    assert refused(pipeline) == {(WEST, "not_json"): 1200}
    assert_counted(pipeline)


def test_objects_go_where_they_say_and_contradictions_are_findings(pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2100"), [event()] * 2)
    run_hour(pipeline, "hour 1")
    put_lines(s3, bucket, dns_key("2105"), [event(region=EAST, srcport="1")] * 3)

    run_hour(pipeline, "hour 2")

    assert placed(pipeline) == {WEST: 2, EAST: 3}
    assert_counted(pipeline)
    (found,) = pipeline.ledger.partitions.findings(Partition.parse(key(EAST), "vpc_dns"))
    assert (found.check, found.severity) == ("contradicting_regions", "warning")
    assert "vpc-c26c48ba" in found.message
    assert run_hour(pipeline, "hour 3").planned == 0
    for region in (EAST, WEST, EAST):
        reload(pipeline, key(region), f"reload {region}")
        assert placed(pipeline) == {WEST: 2, EAST: 3}


def test_two_regions_of_an_unknown_vpc_are_a_finding(pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2100"), [*BROKEN, event()])
    put_lines(s3, bucket, dns_key("2105"), [*BROKEN, event(region=EAST)])

    run_hour(pipeline, "hour")

    assert placed(pipeline) == {WEST: 1, EAST: 1}
    found = [
        (region, one.check)
        for region in (EAST, WEST)
        for one in pipeline.ledger.partitions.findings(Partition.parse(key(region), "vpc_dns"))
        if one.check == "contradicting_regions"
    ]
    (learned,) = pipeline.ledger.objects.known_scopes().values()
    assert found == [({EAST: WEST, WEST: EAST}[learned], "contradicting_regions")]


def test_record_of_a_foreign_region_is_quarantined_with_its_text(pipeline, bucket, s3):
    odd = event(region=EAST)
    put_lines(s3, bucket, dns_key("2100"), [*[event()] * 250, odd, event(region="atlantis")])

    run_hour(pipeline, "hour")

    assert placed(pipeline) == {WEST: 250}
    first, second = rows(pipeline, "quarantine", "reason", "detail", "raw", "p_source_line", "start", "raw_complete")
    assert (first["reason"], first["raw"].encode(), first["p_source_line"]) == ("foreign_region", odd, 251)
    assert first["detail"] == "'us-east-1', but the first record of the object names 'us-west-2'"
    assert (first["start"], first["raw_complete"]) == (250 * (len(event()) + 1), True)
    assert second["reason"] in ("foreign_region", "bad_region")
    assert_counted(pipeline)


def test_flow_record_of_a_foreign_region_is_quarantined(pipeline, bucket, s3):
    header = b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    line = b"4 123456789012 eni-1 10.0.0.1 10.0.0.2 443 1024 6 10 8000 1665178740 1665178790 ACCEPT OK "
    regions = [b"us-west-2"] * 200 + [b"us-east-1", b"-"]
    put_lines(s3, bucket, flow_key("2100"), [header + b"log-status region", *(line + region for region in regions)])

    done = run_hour(pipeline, "hour", LogType.VPC_FLOW)

    assert (done.rows, done.quarantined) == (201, 1)
    assert placed(pipeline, "vpc_flow") == {WEST: 201}
    assert refused(pipeline) == {(WEST, "foreign_region"): 1}
    assert_counted(pipeline, LogType.VPC_FLOW)


def test_objects_without_good_records_move_with_their_vpc(pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2100"), [b"{broken"] * 2)
    s3.put_object(Bucket=bucket, Key=dns_key("2105"), Body=b"PK\x03\x04")
    run_hour(pipeline, "hour 1")
    assert refused(pipeline) == {(UNKNOWN, "not_json"): 2, (UNKNOWN, "not_gzip"): 1}
    put_lines(s3, bucket, dns_key("2110"), [event()])

    done = run_hour(pipeline, "hour 2")

    assert (done.objects, done.moved) == (3, 2)
    assert refused(pipeline) == {(WEST, "not_json"): 2, (WEST, "not_gzip"): 1}
    assert_counted(pipeline)
    assert run_hour(pipeline, "hour 3").planned == 0


def narrow(pipeline: Pipeline, regions: RegionFilter) -> Pipeline:
    sources = tuple(one.model_copy(update={"regions": regions}) for one in pipeline.settings.sources)
    pipeline.settings = pipeline.settings.model_copy(update={"sources": sources})
    return pipeline


def test_objects_of_excluded_regions_are_not_loaded(pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2100"), [*BROKEN, *[event()] * 3])
    put_lines(s3, bucket, dns_key("2100", vpc="vpc-0b"), [event(region=EAST)])
    narrow(pipeline, RegionFilter(allow=(EAST,)))

    run_hour(pipeline, "hour 1")

    assert placed(pipeline) == {EAST: 1}
    assert refused(pipeline) == {}
    assert_counted(pipeline)
    assert run_hour(pipeline, "hour 2").planned == 0
    narrow(pipeline, RegionFilter())
    run_hour(pipeline, "hour 3")
    assert placed(pipeline) == {EAST: 1, WEST: 3}
    assert_counted(pipeline)


def test_reload_without_a_region_names_the_partitions_it_filled(pipeline, bucket, s3):
    """No head of the VPC's objects can be read, so each listing plans them without a region."""
    put_lines(s3, bucket, dns_key("2100"), [*BROKEN, *[event(account_id="222222222222")] * 3])
    run_hour(pipeline, "hour 1")
    assert pipeline.ledger.objects.known_scopes() == {}

    done = reload(pipeline, key(WEST), "reload")

    assert (done.rows, placed(pipeline)) == (3, {WEST: 3})
    with pytest.raises(VpcLogsError, match="S3 has no object of this partition"):
        reload(pipeline, key(EAST), "elsewhere")
    assert_counted(pipeline)


def test_counts_are_those_of_the_runs_own_commit(pipeline, tmp_path, bucket, s3):
    put_lines(s3, bucket, dns_key("2100"), [event()] * 3)
    slow = pipeline.plan("vpc_dns", run_key="slow")
    put_lines(s3, bucket, dns_key("2105"), [event(srcport="1")] * 2)
    for batch in slow:
        pipeline.stage(batch)
    assert run_hour(make_pipeline(tmp_path, bucket, s3), "fast").rows == 5

    done = finish(pipeline, "slow", [])

    assert (done.planned, done.objects, done.rows, done.partitions) == (1, 0, 0, 0)
    assert placed(pipeline) == {WEST: 5}


def test_a_replay_moves_no_record_under_another_region(pipeline, tmp_path, bucket, s3):
    from vpclogs.recovery.replay import plan_replay, stage_replay, survey_quarantine

    long = event(region=EAST, query_name="a-name-that-is-too-long-for-the-first-load.example.com.")
    good = event(query_name="another-name-that-is-too-long-for-the-first-load.example.com.")
    put_lines(s3, bucket, dns_key("2100"), [event(), long, good])
    run_hour(make_pipeline(tmp_path, bucket, s3, max_line_bytes=len(long) - 1), "hour")

    for batch in plan_replay(pipeline, "vpc_dns", run_key="replay"):
        stage_replay(pipeline, batch)
    done = finish(pipeline, "replay", [])

    assert (done.rows, placed(pipeline)) == (1, {WEST: 2})
    assert [held.kept.total() for held in survey_quarantine(pipeline, LogType.VPC_DNS)] == [1]
    assert_counted(pipeline)


def test_older_version_in_another_region_is_replaced(pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2100"), [event(region=EAST)] * 2)
    run_hour(pipeline, "hour 1")
    put_lines(s3, bucket, dns_key("2100"), [event()] * 3)

    run_hour(pipeline, "hour 2")

    assert placed(pipeline) == {WEST: 3}
    assert_counted(pipeline)


def test_listed_objects_keep_the_region_that_they_were_planned_for(pipeline, bucket, s3) -> None:
    put_lines(s3, bucket, dns_key("2100"), [event()])
    run_hour(pipeline, "hour 1")
    (item,) = pipeline.survey(
        LogType.VPC_DNS, lambda _: [Partition.parse(key(WEST), "vpc_dns").day], all_objects=True
    ).objects
    found: Any = replace(item, region=EAST)

    ids = pipeline.ledger.objects.record([found], now=pipeline.clock())
    manifest = pipeline.ledger.manifests.freeze(
        [[found]],
        log_type=LogType.VPC_DNS,
        run_key="planned elsewhere",
        mode=pipeline.ledger.manifests.latest("hour 1").mode,
        listing_failures=[],
        object_ids=ids,
        now=pipeline.clock(),
    )

    assert [one.region for one in manifest.objects] == [EAST]
    assert [one.region for one in pipeline.ledger.manifests.batch(manifest.id, 0)] == [EAST]
