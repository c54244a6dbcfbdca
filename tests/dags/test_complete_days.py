"""The DAG in docs/quality.md that waits for complete days."""

from __future__ import annotations

import re
from pathlib import Path

from vpclogs.partitions import LogType
from vpclogs_airflow.assets import COMPLETE_PARTITIONS


def test_documented_dag_is_scheduled_with_the_key(airflow_database, repository: Path, tmp_path):
    from airflow.dag_processing.dagbag import DagBag

    page = (repository / "docs" / "quality.md").read_text(encoding="utf-8")
    [snippet] = [code for code in re.findall(r"```python\n(.*?)```", page, re.S) if "_complete" in code]
    (tmp_path / "report.py").write_text(snippet)

    bag = DagBag(tmp_path)

    assert bag.import_errors == {}
    dag = bag.dags["daily_dns_report"]
    assert type(dag.timetable).__name__ == "PartitionedAssetTimetable"
    assert dag.timetable.asset_condition.name == COMPLETE_PARTITIONS[LogType.VPC_DNS].name
    said = dag.get_task("report").python_callable(partition_key="123456789012|us-west-2|2022-10-07")
    assert said.endswith("p_account='123456789012' and p_region='us-west-2' and p_day='2022-10-07'")
