"""Settings shared by all DAGs: task arguments, tags, the pool."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

__all__ = ["DEFAULT_ARGS", "POOL", "START", "Tag"]

START: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""Before the first VPC log ever, so that any day can be backfilled. Without catchup it starts no run."""

POOL: Final = os.environ.get("VPCLOGS_POOL", "default_pool")
"""Pool of the tasks that read S3. Airflow never runs a task whose pool does not exist, so the default is its own
pool.
"""

DEFAULT_ARGS: Final[dict[str, Any]] = {
    "owner": "vpclogs",
    # 1, 2, 4, 8 and 10 minutes: longer than S3 throttles a prefix, shorter than the hour.
    "retries": 5,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=10),
    # A hanging task would block every later hour, because hours run one at a time.
    "execution_timeout": timedelta(hours=2),
}


class Tag(StrEnum):
    """Tags of the DAGs, to filter by in the UI."""

    VPCLOGS = "vpclogs"
    DNS = "vpc_dns"
    FLOW = "vpc_flow"
    HOURLY = "hourly"
    PARTITION = "partition"
    REPLAY = "replay"
    MAINTENANCE = "maintenance"
    MONITORS = "monitors"
