"""The assets that other DAGs can be scheduled on.

A table's event says in its extra what one run published. In a run of one partition
the event carries the partition's key, and Airflow then starts only DAGs that are
scheduled by partition. Another DAG refers to a table with ``Asset.ref(name="vpc_dns")``.

The scheme begins with ``x-`` so that Airflow takes the URI as it is: for any other it
loads every provider's URI handlers, and with them the AWS SDK, into each DAG parse.
"""

from __future__ import annotations

from typing import Final

from airflow.sdk import Asset

from vpclogs.partitions import LogType

__all__ = ["COMPLETE_PARTITIONS", "FAILED_PARTITIONS", "TABLES"]

GROUP: Final = "vpclogs"

TABLES: Final = {
    log_type: Asset(name=log_type.value, uri=f"x-vpclogs://tables/{log_type}", group=GROUP) for log_type in LogType
}

# Outlet of the hourly, replay and maintenance DAGs only. In a run that has a partition key, every outlet's event
# carries that key, so as an outlet of a partition DAG this asset would start it for ever.
FAILED_PARTITIONS: Final = {
    log_type: Asset(name=f"{log_type}_failed_partitions", uri=f"x-vpclogs://failed-partitions/{log_type}", group=GROUP)
    for log_type in LogType
}

# An event with a partition's key: its day is over, and all that was delivered of it is in the tables.
COMPLETE_PARTITIONS: Final = {
    log_type: Asset(name=f"{log_type}_complete", uri=f"x-vpclogs://complete/{log_type}", group=GROUP)
    for log_type in LogType
}
