"""
### VPC DNS query logs, replay of the quarantine

After an upgrade that parses more than the last release: parses the records of the quarantine again and
moves those that parse now to the table `vpc_dns`, with the row ids that a load would have given them. All
others stay. It does not read S3.

Objects that were refused whole, and records whose text is not complete in the quarantine, must be read
again. Unless the form disables it, a run of `vpc_dns_partition` starts for each of their partitions.

* **Red**: the log of the red task gives the reason. Only the records named in the log have moved.
* **Safe to rerun**: always. A record moves once.
* **Triggered by hand** only: fill in the trigger form, or
  `airflow dags trigger vpc_dns_replay --conf '{"reason": "bad_port"}'`. `vpclogs replay --dry-run`
  lists beforehand what would move.
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
    tags=[Tag.VPCLOGS, Tag.DNS, Tag.REPLAY],
)
def vpc_dns_replay() -> None:
    replay(LogType.VPC_DNS)


vpc_dns_replay()
