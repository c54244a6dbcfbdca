"""
### VPC DNS query logs, one partition

Rebuilds one partition (account, region, day) of the table `vpc_dns` from the objects in S3 now, and
replaces it with one commit. Readers see the old rows until then, and keep seeing them if the audit fails.

A run starts for each partition that failed in `vpc_dns_hourly`, or by hand. The run's partition key
names the partition, such as `123456789012|us-west-2|2022-10-07`.

* **Red**: the log of the red task gives the reason. Fix the cause, then clear the run.
* **Safe to rerun**: always. The same objects give the same rows.
* **Triggered by hand**: *Trigger*, *Advanced Options*, *Partition Key*, or
  `airflow dags trigger vpc_dns_partition --conf '{"partition": "123456789012|us-west-2|2022-10-07"}'`
* **More**: `docs/runbooks/rerun-a-partition.md`
"""

from __future__ import annotations

from airflow.sdk import Param, PartitionedAssetTimetable, dag

from vpclogs.partitions import LogType
from vpclogs_airflow.assets import FAILED_PARTITIONS
from vpclogs_airflow.defaults import DEFAULT_ARGS, START, Tag
from vpclogs_airflow.graph import load, plan_partition

PARTITION = Param(
    None,
    type=["null", "string"],
    title="Partition",
    description="account|region|day. Leave it empty if the run has a partition key.",
)


@dag(
    schedule=PartitionedAssetTimetable(assets=FAILED_PARTITIONS[LogType.VPC_DNS]),
    start_date=START,
    catchup=False,
    max_active_runs=4,  # a bad hour may name a hundred partitions; leave workers for the next hour
    doc_md=__doc__,
    default_args=DEFAULT_ARGS,
    params={"partition": PARTITION},
    tags=[Tag.VPCLOGS, Tag.DNS, Tag.PARTITION],
)
def vpc_dns_partition() -> None:
    load(LogType.VPC_DNS, plan=plan_partition)


vpc_dns_partition()
