"""
### VPC DNS query logs, hourly

Loads every delivered object that is not in the table `vpc_dns` yet. Each run lists the days of the
lookback again (two by default), so late objects are found whenever they arrive. After a pause, runs
also list the days that were left out, `limits.catch_up_days` per run.

| task | does |
|---|---|
| `plan` | lists the sources, subtracts the objects in the ledger, freezes the manifest, splits it into batches |
| `stage` | one per batch: parses, validates each record against the schema, writes good and refused records |
| `audit` | checks each partition (account, region, day) as a whole; a partition that fails is not published |
| `publish` | makes all partitions that passed visible, in one commit |
| `announce` | updates the asset `vpc_dns` for DAGs scheduled on it; skipped if no partition changed |
| `find_failed` | lists the partitions that newly failed |
| `start_reloads` | starts a run of `vpc_dns_partition` for each newly failed partition; skipped if there is none |
| `verdict` | fails the run if a partition is missing, naming it and the reason |

* **Green**: everything that `plan` found is in the table or, record by record, in the quarantine.
* **Red at `verdict`**: all partitions except the named ones are published. `docs/runbooks/rerun-a-partition.md`
* **Red before**: fix the cause in the task's log, then clear the task; the run continues from there.
* **Safe to rerun**: always. A published object is never published again.
* **Triggered by hand**: loads up to now, or to the end of the hour before the logical date, if given.
* **Backfill**: `docs/runbooks/backfill.md`
* **Schedule on it**: each run that changes a partition updates the asset `vpc_dns`; the event's extra has counts.
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
    tags=[Tag.VPCLOGS, Tag.DNS, Tag.HOURLY],
)
def vpc_dns_hourly() -> None:
    published = load(LogType.VPC_DNS, plan=plan_hour)
    reload_failed(LogType.VPC_DNS, published)


vpc_dns_hourly()
