"""Every verb that writes, done twice, leaves what doing it once leaves."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.integration.deployments import Deployment, dns_body, dns_key, partition_key
from vpclogs.errors import PartitionsFailed
from vpclogs.ledger import Ledger
from vpclogs.ledger.database import Database
from vpclogs.ledger.tables import findings, objects
from vpclogs.partitions import LogType

FAILED = "222222222222"
"""Its one record is in the quarantine, and its audit wants it otherwise."""

HOURLY = ("plan", "stage", "audit", "publish", "verdict")
RELOAD = ("plan_partition", *HOURLY[1:])
LOAD = ("plan_days", *HOURLY[1:])


@pytest.fixture
def make(deploy: Callable[..., Deployment], bucket: str, s3: Any) -> Callable[[], Deployment]:
    """Deployments over one bucket, in which one partition passes and another fails its audit."""
    s3.put_object(Bucket=bucket, Key=dns_key("0005"), Body=dns_body(4, 1))
    s3.put_object(Bucket=bucket, Key=dns_key("0010"), Body=dns_body(3)[:-9])
    s3.put_object(Bucket=bucket, Key=dns_key("0005", account=FAILED), Body=dns_body(1, 1, account=FAILED))
    audit = {"max_quarantined_share": 0.2, "min_records": 1, "max_refused_objects_share": 1}
    severities = {"copied_objects": "off", "repeated_records": "off", "nothing_loaded": "off"}
    return lambda: deploy(bucket, user="admin", audit=audit | {"severities": severities})


def do(deployment: Deployment, verbs: tuple[str, ...], twice: Collection[str] = ()) -> list[Any]:
    """A run; gives what each verb gave, last time."""
    gave = []
    for verb in verbs:
        pipeline = deployment.pipeline()  # as a task of its own does it
        for _ in range(2 if verb in twice else 1):
            if verb == "plan":
                batches = said = pipeline.plan("vpc_dns", run_key="run")
            elif verb == "plan_days":
                batches = said = pipeline.plan_days("vpc_dns", run_key="run", days=[deployment.until.date()])
            elif verb == "plan_partition":
                batches = said = pipeline.plan_partition("vpc_dns", partition_key(), run_key="run")
            elif verb == "stage":
                said = [pipeline.stage(batch) for batch in batches]
            else:
                try:
                    said = getattr(pipeline, verb)("run")
                    if verb == "audit":  # its fingerprint covers paths of files
                        said = (said.passed, said.failed)
                except PartitionsFailed as failed:
                    said = failed.failed
        gave.append(said if "plan" not in verb else len(said))
    return gave


def facts(deployment: Deployment) -> Any:
    """What a reader, an operator and the next run see."""
    ledger, database = Ledger(deployment.settings["ledger"]), Database(deployment.settings["ledger"])
    with database.read() as connection:
        found = connection.scalar(select(func.count()).select_from(findings))
        states = sorted(connection.execute(select(objects.c.key, objects.c.state, objects.c.rows, objects.c.refused)))
    statuses = [(s.partition.key, s.state, s.detail, s.certificate) for s in ledger.partitions.status(LogType.VPC_DNS)]
    return deployment.visible(), statuses, found, [tuple(row) for row in states]


@pytest.mark.parametrize("verbs", [HOURLY, RELOAD, LOAD], ids=["an hour", "a reload", "a load"])
@pytest.mark.parametrize(
    "alone",
    [False, pytest.param(True, marks=[pytest.mark.slow, pytest.mark.timeout(1800)], id="each verb alone")],
)
def test_verbs_done_twice_do_what_they_do_once(verbs, alone, make):
    once = make()
    gave, known = do(once, verbs), facts(once)

    for twice in verbs if alone else [verbs]:
        other = make()
        assert do(other, verbs, twice=[twice] if alone else twice) == gave, twice
        assert facts(other) == known, twice


def test_a_run_done_twice_leaves_what_it_left_once(make):
    deployment = make()
    for verbs in (HOURLY, HOURLY, LOAD, RELOAD, RELOAD):
        do(deployment, verbs)
        table, quarantine = deployment.visible()
        assert (sum(table.values()), sum(quarantine.values())) == (4, 2)
        assert (len(table), len(quarantine)) == (4, 2)


def test_late_stage_is_audited_before_it_is_published(make):
    """A task that was believed dead may end late; what it staged was not what the audit saw."""
    deployment = make()
    pipeline = deployment.pipeline()
    batches = pipeline.plan("vpc_dns", run_key="run")
    assert pipeline.audit("run").passed == []
    for batch in batches:
        pipeline.stage(batch)

    gave = pipeline.publish("run")

    assert gave.published == [partition_key()]
    assert [key for key, _ in gave.failed] == [partition_key(FAILED)]


def test_repeated_publish_reports_partitions_that_failed_before_the_crash(make, monkeypatch):
    deployment = make()
    pipeline = deployment.pipeline()
    for batch in pipeline.plan("vpc_dns", run_key="run"):
        pipeline.stage(batch)
    pipeline.audit("run")
    for book, step in ((pipeline.ledger.manifests, "keep_outcome"), (pipeline.ledger.partitions, "fail")):
        with monkeypatch.context() as patch:
            patch.setattr(book, step, lambda *_, **__: (_ for _ in ()).throw(InterruptedError))
            with pytest.raises(InterruptedError):
                pipeline.publish("run")

    assert pipeline.publish("run").newly_failed == [partition_key(FAILED)]
    assert pipeline.publish("run").newly_failed == [partition_key(FAILED)]
