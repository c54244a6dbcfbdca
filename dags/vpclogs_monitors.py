"""
### vpclogs, hourly monitors

Looks at what was delivered and published: silent VPCs and flow logs, stale data, missing runs, odd
volumes, lag, refused records, schema drift, accounts that no source covers; and runs your SQL checks.
What is found is an alert, which stays open until it is no longer found.

| task | does |
|---|---|
| `watch` | runs the monitors over the ledger, and lists the buckets for accounts that nobody reads |
| `check` | runs the SQL files of `checks_folder` over the tables |
| `notify` | tells the notifiers of `monitors.notify`: what is new, what is over, and daily what is still open |
| `verdict` | fails the run if an alert of severity `error` is new, or still open a day after the last red run |

* **Green**: nobody needs to look now. Older alerts may be open: `vpclogs alerts`
* **Red at `verdict`**: look now. It names the alerts; `docs/quality.md` says what to do about each.
* **Red at `notify`**: its log has the alerts, and the notifiers that could not tell of them. Clear it when they can.
* **Red before**: the log of the red task says why. What could be found all the same has been told.
* **Safe to run again**: always. Nothing is told twice; a cleared `verdict` is green.
* **Started by hand**: looks at what there is now.
* **Rerun what an alert names**: `docs/runbooks/rerun-a-partition.md`
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
