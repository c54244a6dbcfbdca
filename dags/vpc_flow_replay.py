"""
### VPC flow logs, replay of the quarantine

After an upgrade that reads more than the last one did: parses the records of the quarantine again,
and moves those that parse now to the table `vpc_flow`, with the row ids that a load would have given
them. All others stay as they are. S3 is not read for that.

Objects that were refused whole, and records of which the quarantine does not have the whole text, must
be read again. Unless the form says no, their partitions are named to `vpc_flow_partition`, which has
a run for each.

* **Red**: the log of the red task says why. Nothing has moved but what the log says.
* **Safe to run again**: always. A record moves once.
* **Started by hand**: only so. Fill in the trigger form, or
  `airflow dags trigger vpc_flow_replay --conf '{"reason": "bad_port"}'`. `vpclogs replay --dry-run` says
  before what would move.
* **More**: `docs/runbooks/replay-the-quarantine.md`
"""

from __future__ import annotations

from airflow.sdk import dag

from vpclogs.partitions import LogType
from vpclogs_airflow.defaults import DEFAULT_ARGS, START, Tag
from vpclogs_airflow.replay import PARAMS, replay


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    tags=[Tag.VPCLOGS, Tag.FLOW, Tag.REPLAY],
)
def vpc_flow_replay() -> None:
    replay(LogType.VPC_FLOW)


vpc_flow_replay()
