"""The edges of each DAG, written out, and what each task tells the rest of Airflow."""

from __future__ import annotations

from itertools import pairwise

import pytest

LOG_TYPES = ("vpc_dns", "vpc_flow")


def edges(dag):
    return {(task.task_id, after) for task in dag.tasks for after in task.downstream_task_ids}


def outlets(dag):
    return {task.task_id: [asset.uri for asset in task.outlets] for task in dag.tasks if task.outlets}


LOAD = {
    ("plan", "stage"),
    ("plan", "publish"),
    ("stage", "audit"),
    ("audit", "publish"),
    ("publish", "announce"),
    ("publish", "verdict"),
}


@pytest.mark.parametrize("log_type", LOG_TYPES)
def test_hourly_graph_has_all_steps_and_starts_reloads(dag_bag, log_type):
    assert edges(dag_bag.dags[f"{log_type}_hourly"]) == LOAD | {
        ("publish", "find_failed"),
        ("find_failed", "start_reloads"),
    }


@pytest.mark.parametrize("log_type", LOG_TYPES)
def test_a_partition_runs_the_same_graph_without_starting_reloads(dag_bag, log_type):
    assert edges(dag_bag.dags[f"{log_type}_partition"]) == LOAD


@pytest.mark.parametrize("log_type", LOG_TYPES)
def test_replay_runs_the_same_graph_and_then_finds_reloads(dag_bag, log_type):
    more = {("publish", "find_reloads"), ("find_reloads", "start_reloads")}

    assert edges(dag_bag.dags[f"{log_type}_replay"]) == LOAD | more


@pytest.mark.parametrize("log_type", LOG_TYPES)
def test_partition_dags_never_start_themselves(dag_bag, log_type):
    table, failed = f"x-vpclogs://tables/{log_type}", f"x-vpclogs://failed-partitions/{log_type}"

    for kind in ("hourly", "replay"):
        assert outlets(dag_bag.dags[f"{log_type}_{kind}"]) == {"announce": [table], "start_reloads": [failed]}
    assert outlets(dag_bag.dags[f"{log_type}_partition"]) == {"announce": [table]}


@pytest.mark.parametrize("kind", ["hourly", "partition", "replay"])
@pytest.mark.parametrize("log_type", LOG_TYPES)
def test_audit_alone_runs_whatever_became_of_the_batches(dag_bag, log_type, kind):
    rules = {task.task_id: task.trigger_rule for task in dag_bag.dags[f"{log_type}_{kind}"].tasks}

    assert [task for task, rule in rules.items() if rule != "all_success"] == ["audit"]
    assert rules["audit"] == "all_done"


def test_maintenance_reconciles_then_runs_each_step(dag_bag):
    dag = dag_bag.dags["vpclogs_maintenance"]
    reconciled = [f"reconcile_{log_type}" for log_type in LOG_TYPES]
    steps = ["retire", "compact", "expire", "prune", "clean_up"]

    assert edges(dag) >= {(one, "retire") for one in reconciled} | set(pairwise(steps))
    assert {before for before, after in edges(dag) if after == "verdict"} == {*reconciled, *steps}
    assert all(dag.get_task(step).trigger_rule == "all_done" for step in steps)


@pytest.mark.parametrize("log_type", LOG_TYPES)
def test_the_maintenance_names_late_and_complete_partitions(dag_bag, log_type):
    told = outlets(dag_bag.dags["vpclogs_maintenance"])

    assert told[f"start_reloads_{log_type}"] == [f"x-vpclogs://failed-partitions/{log_type}"]
    assert told[f"announce_{log_type}"] == [f"x-vpclogs://complete/{log_type}"]
