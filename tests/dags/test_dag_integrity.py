"""What holds for every DAG."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta

import pytest

HOURLY = ("vpc_dns_hourly", "vpc_flow_hourly")
PARTITION = ("vpc_dns_partition", "vpc_flow_partition")
REPLAY = ("vpc_dns_replay", "vpc_flow_replay")
ALL = (*HOURLY, *PARTITION, *REPLAY, "vpclogs_maintenance", "vpclogs_monitors")


def test_every_file_holds_one_dag_of_its_name(dag_bag, repository):
    files = {path.stem for path in (repository / "dags").glob("*.py")}

    assert dag_bag.import_errors == {}
    assert set(dag_bag.dags) == files == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_dag_file_is_a_table_of_contents(repository, name):
    text = (repository / "dags" / f"{name}.py").read_text()

    top_level = {type(node).__name__ for node in ast.parse(text).body}

    assert len(text.splitlines()) <= 80
    assert top_level <= {"Expr", "Import", "ImportFrom", "Assign", "FunctionDef"}


@pytest.mark.parametrize("name", ALL)
def test_documentation_of_a_dag_is_its_docstring(dag_bag, repository, name):
    docstring = ast.get_docstring(ast.parse((repository / "dags" / f"{name}.py").read_text()), clean=False)

    assert dag_bag.dags[name].doc_md == docstring
    assert docstring.strip().startswith("### ")
    assert all(
        answer in docstring for answer in ("**Red", "**Safe to rerun**", "**Triggered by hand**", "docs/runbooks/")
    )


@pytest.mark.parametrize("name", ALL)
def test_it_is_found_by_product_log_and_kind(dag_bag, name):
    log_type, kind = name.rsplit("_", 1)

    assert dag_bag.dags[name].tags == {"vpclogs", log_type, kind}


@pytest.mark.parametrize("name", ALL)
def test_dags_never_catch_up_but_can_be_backfilled(dag_bag, name):
    dag = dag_bag.dags[name]

    assert dag.catchup is False
    assert dag.start_date < datetime(2015, 6, 10, tzinfo=UTC), "the day AWS announced flow logs"


@pytest.mark.parametrize("name", HOURLY)
def test_runs_cover_whole_hours_one_at_a_time(dag_bag, name):
    dag = dag_bag.dags[name]

    assert dag.max_active_runs == 1
    assert (dag.timetable.expression, str(dag.timetable.timezone)) == ("0 * * * *", "UTC")
    assert type(dag.timetable).__name__ == "CronDataIntervalTimetable"


@pytest.mark.parametrize("name", PARTITION)
def test_partition_dag_runs_for_failed_partitions_of_its_log(dag_bag, name):
    timetable = dag_bag.dags[name].timetable

    assert type(timetable).__name__ == "PartitionedAssetTimetable"
    assert timetable.asset_condition.uri == f"x-vpclogs://failed-partitions/{name.removesuffix('_partition')}"


@pytest.mark.parametrize("name", ALL)
def test_tasks_retry_with_growing_pauses_except_the_verdict(dag_bag, name):
    tasks = dag_bag.dags[name].tasks

    for task in tasks:
        assert task.retries == (0 if task.task_id == "verdict" else 5)
        assert task.retry_exponential_backoff == 2
        assert task.retry_delay <= timedelta(minutes=1)
        assert task.execution_timeout <= timedelta(hours=2)


@pytest.mark.parametrize("name", ALL)
def test_no_task_needs_a_pool_created_by_hand(dag_bag, name):
    assert {task.pool for task in dag_bag.dags[name].tasks} == {"default_pool"}
