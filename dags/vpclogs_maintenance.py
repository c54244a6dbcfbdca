"""
### vpclogs, daily maintenance

Checks that all is there, and keeps tables and ledger small and quick. Everything here runs beside the
hourly DAGs and may be killed at any moment.

| task | does |
|---|---|
| `reconcile_…` | lists the last days again; holds S3, ledger and tables against each other; writes certificates |
| `start_reloads_…` | starts partition runs for what came after the look-back, or differs; else skipped |
| `announce_…` | tells DAGs that wait for complete days: the assets `vpc_dns_complete`, `vpc_flow_complete` |
| `retire` | deletes partitions that are older than `upkeep.retention_days` |
| `compact` | puts the small files of closed partitions together, in order of time |
| `expire` | cuts the tables' histories |
| `prune` | forgets runs that are over for long; their statistics stay, by partition |
| `clean_up` | deletes files that no table and no run needs |
| `verdict` | fails the run if something could not be listed, or if tables and ledger differed |

* **Red at `verdict`**: it names what differed. A reload of it was started; see that its run is green.
* **Red before**: the log of the red task says why. The other steps have run all the same.
* **Safe to run again**: always.
* **Started by hand**: with *From* and *To* it reconciles those days, which may be years ago.
* **More**: `docs/runbooks/upkeep.md`
"""

from __future__ import annotations

from airflow.sdk import CronDataIntervalTimetable, dag

from vpclogs_airflow.defaults import DEFAULT_ARGS, START, Tag
from vpclogs_airflow.upkeep import PARAMS, maintain


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
