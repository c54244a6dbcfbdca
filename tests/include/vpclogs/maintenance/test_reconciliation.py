"""S3 against the ledger, the ledger against the tables, and the certificate of each partition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import DAY, PARTITION, freeze, make_object, stage_objects
from tests.include.vpclogs.maintenance.deployments import Deployment, partition_of
from tests.pipelines import KEY, dns_key, event, make_pipeline, put_lines, reload, run_hour
from vpclogs.maintenance import reconciliation
from vpclogs.maintenance.reconciliation import Reconciled, default_days
from vpclogs.manifests import ListingFailure, Mode, manifest_hash
from vpclogs.objects import LogObject
from vpclogs.planning.survey import Survey
from vpclogs.warehouse.tables import QUARANTINE, in_partition

A, B, C = make_object("a"), make_object("b"), make_object("c")
CLOSED = datetime(2022, 10, 10, 6, tzinfo=UTC)  # three days after the partition's


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path, now=CLOSED)


@pytest.fixture
def reconcile(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Reconciled]:
    """Reconcile with a bucket that lists the given objects."""

    def run(
        listed: Sequence[LogObject], *, run_key: str = "daily", failures: Sequence[ListingFailure] = (), gone: Any = ()
    ) -> Reconciled:
        found = Survey(tuple(listed), tuple(failures), len(listed), 1, tuple(gone))
        monkeypatch.setattr(deployment.pipeline, "survey", lambda *given, **named: found)
        return reconciliation.reconcile(deployment.pipeline, PARTITION.log_type, run_key=run_key, days=[DAY])

    return run


def certificate(deployment: Deployment) -> Any:
    return deployment.ledger.certificates.get(PARTITION)


def checks(deployment: Deployment) -> list[str]:
    return [finding.check for finding in deployment.ledger.partitions.findings(PARTITION)]


def state(deployment: Deployment) -> str:
    (status,) = deployment.ledger.partitions.status(PARTITION.log_type, only=[PARTITION])
    return status.state


def test_a_closed_day_whose_objects_are_all_loaded_is_complete(deployment, reconcile):
    deployment.publish([A, B])

    done = reconcile([A, B])

    made = certificate(deployment)
    assert (done.complete, done.announce, done.reload) == (1, [PARTITION.key], [])
    assert (made.complete, made.listed, made.loaded, made.rows, made.quarantined) == (True, 2, 2, 6, 2)
    assert made.bytes == A.size + B.size


def test_restored_hash_equals_that_of_a_reload(deployment, reconcile):
    deployment.publish([A, B])

    reconcile([A, B])

    assert certificate(deployment).hash == manifest_hash([A, B], Mode.RELOAD)


def test_what_was_announced_is_announced_again_only_when_it_changed(deployment, reconcile):
    deployment.publish([A])
    first = reconcile([A]).announce
    again = reconcile([A]).announce  # whoever was to tell it may have been killed
    deployment.ledger.certificates.announced(PARTITION.log_type, first)
    told = reconcile([A]).announce
    deployment.publish([A, B], run_key="reload", mode=Mode.RELOAD)
    changed = reconcile([A, B]).announce

    assert (first, again, told, changed) == ([PARTITION.key], [PARTITION.key], [], [PARTITION.key])


def test_an_open_day_is_certified_and_not_announced(deployment, reconcile):
    deployment.now = CLOSED - timedelta(days=1)
    deployment.publish([A])

    done = reconcile([A])

    assert (done.complete, done.announce) == (1, [])


def test_object_after_the_lookback_is_loaded_by_one_reload(deployment, reconcile):
    deployment.publish([A])

    first = reconcile([A, B], run_key="day 1")
    repeated = reconcile([A, B], run_key="day 1")
    second = reconcile([A, B], run_key="day 2")

    assert (first.reload, repeated.reload, second.reload) == ([PARTITION.key], [PARTITION.key], [])
    assert (state(deployment), checks(deployment)) == ("failed", ["late_objects"])
    assert certificate(deployment).detail == "1 of 2 objects are not loaded"
    assert second.announce == []


def test_reload_completes_the_day_and_resolves_the_finding(deployment, reconcile):
    deployment.publish([A])
    reconcile([A, B])
    deployment.publish([A, B], run_key="reload", mode=Mode.RELOAD)

    done = reconcile([A, B], run_key="next day")

    assert (done.complete, done.announce, checks(deployment), state(deployment)) == (
        1,
        [PARTITION.key],
        [],
        "published",
    )


def test_what_hourly_runs_will_load_is_left_to_them(deployment, reconcile):
    deployment.now = CLOSED - timedelta(days=1)
    deployment.publish([A])

    done = reconcile([A, B])

    assert (done.reload, done.complete) == ([], 0)


def test_object_deleted_before_its_load_is_gone(deployment, reconcile):
    deployment.publish([A])
    ids = deployment.ledger.objects.record([B], now=CLOSED)

    done = reconcile([A], gone=ids.values())

    assert (done.gone, done.complete, certificate(deployment).gone) == (1, 1, 1)


def test_what_could_not_be_listed_is_not_complete(deployment, reconcile):
    deployment.publish([A])
    denied = ListingFailure("org-dns", PARTITION.account, None, "denied", "access denied", False)
    other = ListingFailure("org-dns", "999999999999", None, "denied", "access denied", False)

    assert reconcile([A], failures=[other]).complete == 1
    assert reconcile([], failures=[denied]).complete == 0
    assert "could not be listed: access denied" in certificate(deployment).detail


@pytest.mark.parametrize("table", ["vpc_dns", QUARANTINE])
def test_rows_lost_by_a_table_are_found_and_rebuilt(deployment, reconcile, table):
    deployment.publish([A, B])
    deployment.warehouse.table(table).delete(in_partition(PARTITION, table))

    done = reconcile([A, B])

    assert [key for key, _ in done.mismatched] == done.reload == [PARTITION.key]
    assert (state(deployment), checks(deployment), certificate(deployment).complete) == (
        "failed",
        ["table_counts"],
        False,
    )


def test_rows_that_no_publish_brought_are_found(deployment, reconcile):
    deployment.publish([A])
    stray = stage_objects(deployment.warehouse, [make_object("stray")], bad=0).files
    deployment.warehouse.table("vpc_dns").add_files([file.path for file in stray])

    ((_, why),) = reconcile([A]).mismatched

    assert why == "the ledger counts 3 rows and 1 refused records, the tables hold 6 and 1"


def test_partition_published_meanwhile_is_left_to_the_next_run(deployment, reconcile, monkeypatch):
    deployment.publish([A])
    counts = reconciliation._Part._counts

    def publish_first(part: Any) -> Any:
        monkeypatch.setattr(reconciliation._Part, "_counts", counts)
        deployment.publish([B], run_key="meanwhile")
        return counts(part)

    monkeypatch.setattr(reconciliation._Part, "_counts", publish_first)
    done = reconcile([A, B])

    assert (done.partitions, done.mismatched) == (0, [])
    assert reconcile([A, B]).complete == 1


def test_open_publish_is_left_to_the_next_run(deployment, reconcile, monkeypatch):
    deployment.publish([A])
    monkeypatch.setattr(deployment.pipeline.publisher, "require_current_ledger", lambda log_type: None)
    deployment.publish_and_crash([B], monkeypatch)

    done = reconcile([A, B])

    assert (done.partitions, done.mismatched) == (0, [])


def test_a_quarantine_that_is_kept_shorter_is_not_missed(tmp_path, monkeypatch):
    deployment = Deployment(tmp_path, now=CLOSED + timedelta(days=60), retention_days={"quarantine": 30})
    deployment.publish([A])
    deployment.warehouse.table(QUARANTINE).delete(in_partition(PARTITION, QUARANTINE))
    monkeypatch.setattr(deployment.pipeline, "survey", lambda *given, **named: Survey((A,), (), 1, 1))

    done = reconciliation.reconcile(deployment.pipeline, PARTITION.log_type, run_key="daily", days=[DAY])

    assert (done.mismatched, done.complete) == ([], 1)


def test_the_daily_days_reach_the_one_that_was_closed_last(tmp_path):
    deployment = Deployment(tmp_path, now=CLOSED, reconcile_days=1, closed_after_days=5)

    days = default_days(deployment.pipeline, PARTITION.log_type)

    assert (days[0], days[-1]) == (CLOSED.date() - timedelta(days=5), CLOSED.date())
    assert partition_of(0).day in days


def test_a_staged_run_that_never_published_leaves_its_partition_incomplete(deployment, reconcile):
    deployment.publish([A])
    freeze(deployment.ledger, [B], run_key="stuck")

    assert reconcile([A, B]).complete == 0


def test_late_objects_are_found_reloaded_and_certified(tmp_path, s3, bucket):
    now = datetime(2022, 10, 7, 23, tzinfo=UTC)
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=lambda: now)
    put_lines(s3, bucket, dns_key("0000"), [event(), b"broken"])
    run_hour(pipeline, "hour")
    now += timedelta(days=3)
    run_hour(pipeline, "hour 2")
    put_lines(s3, bucket, dns_key("2300"), [event()])
    hour = run_hour(pipeline, "hour 3")

    first = reconciliation.reconcile(pipeline, PARTITION.log_type, run_key="1")
    reload(pipeline, first.reload[0], "reload")
    second = reconciliation.reconcile(pipeline, PARTITION.log_type, run_key="2")

    assert (hour.objects, first.reload, first.announce) == (0, [KEY], [])
    assert (second.reload, second.announce, second.mismatched) == ([], [KEY], [])
    assert pipeline.ledger.certificates.get(PARTITION).listed == 2
