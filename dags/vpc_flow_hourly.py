"""
### VPC flow logs, hourly

Loads every object that was delivered and is not in the table `vpc_flow` yet. It lists the days of
the look-back (two by default) again each hour, so late objects are found whenever they arrive.

| task | does |
|---|---|
| `plan` | lists the sources, subtracts what the ledger has, freezes the manifest, cuts it into batches |
| `stage` | one per batch: parses, checks each record against the schema, writes what passes and what does not |
| `audit` | checks each partition (account, region, day) as a whole; a partition that fails is held back |
| `publish` | makes all partitions that passed visible, in one commit |
| `start_reloads` | starts a run of `vpc_flow_partition` for each partition that newly failed; else skipped |
| `verdict` | fails the run if a partition is missing, and says which and why |

* **Green**: all that `plan` found is in the table or, record by record, in the quarantine.
* **Red at `verdict`**: all but the partitions it names are published. `docs/runbooks/rerun-a-partition.md`
* **Red before**: clear the red task once the cause in its log is gone; the run goes on from there.
* **Safe to run again**: always. An object that is published is not published a second time.
* **Started by hand**: loads up to now, or to the end of the hour before the logical date if one is given.
* **Backfill**: `docs/runbooks/backfill.md`
* **Schedule on it**: the asset `vpc_flow` is updated by each run; the event's extra has counts.
"""

from __future__ import annotations

from airflow.sdk import CronDataIntervalTimetable, dag

from vpclogs.partitions import LogType
from vpclogs_airflow.defaults import DEFAULT_ARGS, START, Tag
from vpclogs_airflow.graph import load, plan_hour, reload_failed


@dag(
    # A bare cron string would give runs an interval of no length.
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,  # every run lists all that is not loaded: two at once would do the same work
    doc_md=__doc__,
    default_args=DEFAULT_ARGS,
    tags=[Tag.VPCLOGS, Tag.FLOW, Tag.HOURLY],
)
def vpc_flow_hourly() -> None:
    published = load(LogType.VPC_FLOW, plan=plan_hour)
    reload_failed(LogType.VPC_FLOW, published)


vpc_flow_hourly()
