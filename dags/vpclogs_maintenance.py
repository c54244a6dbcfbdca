"""
### vpclogs, daily maintenance

Verifies that everything is loaded, and keeps tables and ledger small and fast. All of it runs
concurrently with the hourly DAGs and can be interrupted at any point.

| task | does |
|---|---|
| `reconcile_…` | lists the last days again; compares S3, ledger and tables; writes certificates |
| `start_reloads_…` | starts partition runs for objects later than the lookback and for differences; skipped if none |
| `announce_…` | updates the assets `vpc_dns_complete` and `vpc_flow_complete` for DAGs that wait for complete days |
| `retire` | deletes partitions older than `maintenance.retention_days` |
| `compact` | merges the small files of closed partitions, in order of time |
| `expire` | expires snapshots of the tables |
| `prune` | deletes old runs from the ledger; their statistics stay, by partition |
| `clean_up` | deletes files that no table and no run needs |
| `verdict` | fails the run if something could not be listed, or if tables and ledger differed |

* **Red at `verdict`**: it names the differences. A reload of each was started; check that its run is green.
* **Red before**: the log of the red task gives the reason. The other steps have run.
* **Safe to rerun**: always.
* **Triggered by hand**: with *From* and *To* it reconciles those days, which may be years ago.
* **More**: `docs/runbooks/maintenance.md`
"""

from __future__ import annotations

from airflow.sdk import CronDataIntervalTimetable, dag

from vpclogs_airflow.defaults import DEFAULT_ARGS, START, Tag
from vpclogs_airflow.maintenance import PARAMS, maintain


@dag(
    # A quarter past, when the hour's own run is mostly over; early, so that yesterday's day is judged in the morning.
    schedule=CronDataIntervalTimetable("15 4 * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    tags=[Tag.VPCLOGS, Tag.MAINTENANCE],
)
def vpclogs_maintenance() -> None:
    maintain()


vpclogs_maintenance()
