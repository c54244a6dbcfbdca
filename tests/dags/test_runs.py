"""How a run ends, whatever its tasks meet. Real Airflow runs over a library that follows a script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vpclogs.config.settings import Settings
from vpclogs.errors import ConfigError, PartitionsFailed, VpcLogsError
from vpclogs.runs import AuditDecision, BatchRef, RunCounts, RunOutcome, StageCounts

KEY, OTHER = "123456789012|us-west-2|2022-10-07", "123456789012|eu-west-1|2022-10-07"
BATCHES = [BatchRef(7, number, f"{KEY} · {number}/3") for number in (1, 2, 3)]
NOTHING = RunOutcome()
STAGED = StageCounts(objects=0, records=0, rows=0, refused=0, unread=0)
COUNTS = RunCounts(planned=9, partitions=1, objects=9, moved=0, rows=300_112, quarantined=301)


class ScriptedPipeline:
    """Answers each verb with what the test put into ``script``: a value, an error, or a function."""

    def __init__(self) -> None:
        self.script: dict[str, Any] = {"plan": [], "stage": STAGED, "audit": AuditDecision()}
        self.script |= {"publish": NOTHING, "counts": COUNTS, "newly_failed": [], "verdict": COUNTS}
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.settings: Settings | None = None

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def answer(*arguments: Any, **named: Any) -> Any:
            self.calls.append((verb, (*arguments, *named.values())))
            reply = self.script[verb]
            reply = reply(*arguments) if callable(reply) else reply
            if isinstance(reply, Exception):
                raise reply
            return reply

        return answer

    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.calls]


class Run:
    """A finished run: its state, its tasks' states, and the asset events it sent."""

    def __init__(self, dag_run: Any) -> None:
        from airflow.models.asset import AssetEvent
        from airflow.utils.session import create_session
        from sqlalchemy import select

        instances = dag_run.get_task_instances()
        self.key = f"{dag_run.dag_id}/{dag_run.run_id}"
        self.state = dag_run.state.value
        self.tasks = {i.task_id: i.state for i in instances if i.map_index < 0}
        self.mapped = {(i.task_id, i.rendered_map_index): i.state for i in instances if i.map_index >= 0}
        with create_session() as session:
            events = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == dag_run.run_id))
            self.events = sorted((e.asset.name, e.partition_key, e.extra) for e in events)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ScriptedPipeline:
    scripted = ScriptedPipeline()
    config = tmp_path / "vpclogs.yaml"
    config.write_text("sources: [{name: logs, log_type: vpc_dns, bucket: logs}]\n")
    monkeypatch.setenv("VPCLOGS_CONFIG", str(config))

    def make(settings: Settings, *, client_for: object) -> ScriptedPipeline:
        scripted.settings = settings
        return scripted

    monkeypatch.setattr("vpclogs.pipeline.Pipeline", make)
    return scripted


@pytest.fixture
def run(impatient_dags, library) -> Callable[..., Run]:
    def start(name: str, *, logical_date: Any = None, conf: dict[str, Any] | None = None, **script: Any) -> Run:
        library.script |= script
        return Run(impatient_dags[name].test(logical_date=logical_date, run_conf=conf))

    return start


def test_an_hour_without_new_objects_is_green_and_stages_nothing(run, library):
    ended = run("vpc_dns_hourly")

    assert (ended.state, ended.tasks["stage"], ended.tasks["start_reloads"]) == ("success", "skipped", "skipped")
    assert sorted(library.verbs()) == ["audit", "newly_failed", "plan", "publish", "verdict"]
    assert (ended.tasks["announce"], ended.events) == ("skipped", [])


def test_each_batch_is_a_task_that_carries_its_label(run):
    ended = run("vpc_dns_hourly", plan=BATCHES)

    assert ended.mapped == {("stage", batch.label): "success" for batch in BATCHES}


def test_event_of_the_table_has_the_counts_of_the_run(run):
    ended = run("vpc_dns_hourly", plan=BATCHES, publish=RunOutcome(published=[KEY, OTHER], changed=[KEY]))

    extra = {"published": 2, "changed": 1, "failed": 0, "newly_failed": 0}
    extra |= {"rows": COUNTS.rows, "quarantined": COUNTS.quarantined}
    assert ended.events == [("vpc_dns", None, extra)]
    label = f"1 partitions, {COUNTS.rows:,} rows, {COUNTS.quarantined:,} quarantined, 0 failed"
    assert ended.mapped["announce", label] == "success"


def test_failed_batch_holds_back_only_its_partition(run, library):
    def stage(batch):
        return ConfigError("no") if batch.batch == 2 else STAGED

    ended = run("vpc_dns_hourly", plan=BATCHES, stage=stage, verdict=PartitionsFailed([(KEY, "a batch failed")]))

    assert library.verbs().count("stage") == 3
    assert ended.mapped["stage", BATCHES[1].label] == "failed"
    assert (ended.tasks["publish"], ended.tasks["verdict"], ended.state) == ("success", "failed", "failed")


def test_newly_failed_partitions_start_the_partition_dag_by_key(run):
    outcome = RunOutcome(failed=[(KEY, "why"), (OTHER, "why")], newly_failed=[KEY, OTHER])

    script = {"publish": outcome, "newly_failed": outcome.newly_failed, "verdict": PartitionsFailed([(KEY, "why")])}
    ended = run("vpc_flow_hourly", plan=BATCHES, **script)

    assert ended.mapped["start_reloads", "2 partitions"] == "success"
    named = [key for asset, key, _ in ended.events if asset == "vpc_flow_failed_partitions"]
    assert named == [OTHER, KEY]


def test_a_partition_that_was_failed_before_is_not_started_again(run):
    ended = run("vpc_flow_hourly", publish=RunOutcome(failed=[(KEY, "as last hour")]))

    assert ended.events == []


def test_a_run_has_no_more_batches_than_airflow_maps(run, library, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "2")

    too_many = run("vpc_dns_hourly", plan=BATCHES)  # Airflow refuses what a plan must not return
    fitting = run("vpc_dns_hourly", plan=BATCHES[:2])

    assert (too_many.tasks["plan"], fitting.tasks["plan"]) == ("failed", "success")
    assert library.settings.limits.max_batches == 2
    assert "batches per run: 2, the [core] max_map_length of Airflow" in caplog.text


def test_failed_plan_publishes_nothing_and_fails_the_run(run, library):
    ended = run("vpc_dns_hourly", plan=ConfigError("vpclogs.yaml:3: sources.0.bukcet: there is no such key"))

    assert "publish" not in library.verbs()
    assert (ended.tasks["publish"], ended.tasks["verdict"], ended.state) == (
        "upstream_failed",
        "upstream_failed",
        "failed",
    )


def test_when_the_audit_cannot_end_nothing_is_published(run, library):
    ended = run("vpc_dns_hourly", plan=BATCHES, audit=VpcLogsError("the ledger cannot be reached"))

    assert "publish" not in library.verbs()
    assert ended.state == "failed"


def test_manual_runs_load_to_now_and_dated_to_their_hour(run, library):
    from datetime import UTC, datetime

    by_hand = run("vpc_dns_hourly")
    dated = run("vpc_dns_hourly", logical_date=datetime(2022, 10, 7, 5, 30, tzinfo=UTC))

    plans = [arguments for verb, arguments in library.calls if verb == "plan"]
    assert plans == [
        ("vpc_dns", by_hand.key, None),
        ("vpc_dns", dated.key, datetime(2022, 10, 7, 5, tzinfo=UTC)),
    ]


def test_a_partition_run_rebuilds_the_partition_that_the_form_names(run, library):
    ended = run(
        "vpc_flow_partition",
        conf={"partition": f" {KEY} "},
        plan_partition=BATCHES[:1],
        publish=RunOutcome(published=[KEY], changed=[KEY]),
    )

    assert library.calls[0] == ("plan_partition", ("vpc_flow", KEY, ended.key))
    assert ended.state == "success"
    assert [asset for asset, _, _ in ended.events] == ["vpc_flow"]


def test_a_partition_run_that_changes_nothing_sends_no_event(run):
    ended = run("vpc_dns_partition", conf={"partition": KEY}, plan_partition=[], publish=RunOutcome(published=[KEY]))

    assert (ended.state, ended.events) == ("success", [])


def test_a_partition_run_without_a_partition_fails_at_once(run, library):
    ended = run("vpc_dns_partition")

    assert ended.tasks["plan"] == "failed"
    assert "publish" not in library.verbs()
    assert ended.state == "failed"
