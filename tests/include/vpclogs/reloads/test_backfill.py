"""A backfill plans the partitions that are not complete, and what reloading them costs."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.pipelines import dns_key, event, make_pipeline, put_lines, run_hour
from vpclogs.partitions import LogType, Partition
from vpclogs.reloads.backfill import plan_backfill, plan_reloads

DNS = LogType.VPC_DNS
DAYS = [date(2022, 10, 6), date(2022, 10, 7)]
ACCOUNTS = ("123456789012", "222222222222")
OLD, HERE, THERE = (
    Partition.parse(key, DNS)
    for key in (
        "123456789012|us-west-2|2022-10-06",
        "123456789012|us-west-2|2022-10-07",
        "222222222222|us-west-2|2022-10-07",
    )
)


@pytest.fixture
def pipeline(tmp_path: Path, bucket, s3):
    """Two partitions of one day that are loaded."""
    for account in ACCOUNTS:
        put_lines(s3, bucket, dns_key("2100", account=account), [event()])
    made = make_pipeline(tmp_path, bucket, s3)
    run_hour(made, "hour")
    return made


def test_complete_partitions_are_skipped_unless_all_are_requested(pipeline, s3, bucket):
    put_lines(s3, bucket, dns_key("2110"), [event()])
    put_lines(s3, bucket, dns_key("2110", day="2022/10/06"), [event()])

    plan = plan_backfill(pipeline, DNS, DAYS)

    assert [(one.partition, one.objects, one.pending) for one in plan.work] == [(OLD, 1, 1), (HERE, 2, 1)]
    assert (plan.done, plan.objects, plan.batches, plan.requests_to_read) == (1, 3, 2, 3)
    assert len(plan_backfill(pipeline, DNS, DAYS, everything=True).work) == 3


def test_failed_partition_is_reloaded_although_its_objects_are_loaded(pipeline):
    pipeline.ledger.partitions.fail({THERE.key: "why"}, log_type=DNS, run_key="hour", now=pipeline.clock())

    (one,) = plan_backfill(pipeline, DNS, DAYS).work

    assert (one.partition, one.pending, one.state) == (THERE, 0, "failed")


def test_status_is_limited_to_an_account_or_given_partitions(pipeline):
    assert [one.partition for one in plan_backfill(pipeline, DNS, DAYS, account=ACCOUNTS[1], everything=True).work] == [
        THERE
    ]
    assert plan_reloads(pipeline, [HERE]).keys == [HERE.key]


def test_budget_is_kept_and_replaces_the_limits(pipeline):
    plan = plan_backfill(pipeline, DNS, DAYS, everything=True)
    limits = pipeline.settings.limits
    few_bytes = limits.model_copy(update={"backfill_max_bytes": 10})
    few_objects = limits.model_copy(update={"backfill_max_objects": 1})

    assert plan.beyond(limits, budget=None) is None
    assert "bytes are more than 10" in str(plan.beyond(few_bytes, budget=None))
    assert "2 objects are more than 1" in str(plan.beyond(few_objects, budget=None))
    assert plan.beyond(few_bytes, budget=plan.bytes) is None
    assert plan.beyond(limits, budget=plan.bytes - 1) is not None
