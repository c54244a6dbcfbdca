"""
### vpclogs, hourly monitors

Monitors deliveries and publishes: silent VPCs and flow logs, stale data, missing runs, unusual volumes,
lag, refused records, schema drift, accounts that no source covers. It also runs your SQL checks. Each
finding is an alert, which stays open until it is no longer observed.

| task | does |
|---|---|
| `watch` | runs the monitors over the ledger, and lists the buckets for accounts that no source reads |
| `check` | runs the SQL files of `checks_folder` over the tables |
| `notify` | sends new and resolved alerts, and daily the open ones, to the notifiers of `monitors.notify` |
| `verdict` | fails the run if an alert of severity `error` is new, or still open a day after the last red run |

* **Green**: nothing needs attention now. Older alerts may be open: `vpclogs alerts`
* **Red at `verdict`**: act now. It names the alerts; `docs/quality.md` has the action for each.
* **Red at `notify`**: its log has the alerts and the notifiers that failed. Clear it when they work again.
* **Red before**: the log of the red task gives the reason. All other findings were sent.
* **Safe to rerun**: always. Nothing is sent twice; a cleared `verdict` is green.
* **Triggered by hand**: checks the current state.
* **Rerun a partition that an alert names**: `docs/runbooks/rerun-a-partition.md`
"""

from __future__ import annotations

from airflow.sdk import CronDataIntervalTimetable, dag

from vpclogs_airflow.defaults import DEFAULT_ARGS, START, Tag
from vpclogs_airflow.monitoring import monitor


@dag(
    # At half past the hour's own runs are over, so that what they have just listed is not waiting.
    schedule=CronDataIntervalTimetable("30 * * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args=DEFAULT_ARGS,
    tags=[Tag.VPCLOGS, Tag.MONITORS],
)
def vpclogs_monitors() -> None:
    monitor()


vpclogs_monitors()
