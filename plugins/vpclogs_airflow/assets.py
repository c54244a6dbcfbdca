"""The assets on which other DAGs can be scheduled.

The extra of a table's event describes the publish of one run. In a run of one partition the event carries the
partition's key, and Airflow then starts only DAGs that are scheduled by partition. Another DAG refers to a table with
``Asset.ref(name="vpc_dns")``.

The scheme starts with ``x-`` so that Airflow accepts the URI unchanged: for any other scheme it loads every
provider's URI handlers, and with them the AWS SDK, on each DAG parse.
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
# carries that key, so as an outlet of a partition DAG this asset would trigger it forever.
FAILED_PARTITIONS: Final = {
    log_type: Asset(name=f"{log_type}_failed_partitions", uri=f"x-vpclogs://failed-partitions/{log_type}", group=GROUP)
    for log_type in LogType
}

# An event carries a partition's key: its day is over, and all delivered objects are in the tables.
COMPLETE_PARTITIONS: Final = {
    log_type: Asset(name=f"{log_type}_complete", uri=f"x-vpclogs://complete/{log_type}", group=GROUP)
    for log_type in LogType
}
