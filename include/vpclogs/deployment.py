"""A deployment: its settings, and the ledger, tables and clients that they name, opened on first use."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from vpclogs.config.settings import Settings
from vpclogs.config.sources import Source
from vpclogs.ledger import Ledger

# Each task of a run is a process that calls one verb: imports that only one verb needs are inside it.
if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from vpclogs.publishing.publisher import Publisher
    from vpclogs.warehouse.tables import Warehouse

__all__ = ["Deployment", "utc_now"]


def utc_now() -> datetime:
    """Return the time, aware UTC."""
    return datetime.now(UTC)


class Deployment:
    """The ledger, the warehouse and the S3 clients of the settings.

    ``client_for`` makes the S3 client of a source; it is called once per source and
    process. ``clock`` returns aware UTC.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        client_for: Callable[[Source], S3Client],
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self._client_for = client_for
        self._clients: dict[str, S3Client] = {}
        self.clock = clock
        self.sleep = sleep

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.ledger)

    @cached_property
    def warehouse(self) -> Warehouse:
        from vpclogs.warehouse.tables import Warehouse

        return Warehouse(self.settings.catalog, namespace=self.settings.namespace, sleep=self.sleep)

    @cached_property
    def publisher(self) -> Publisher:
        from vpclogs.publishing.publisher import Publisher

        return Publisher(
            self.ledger, self.warehouse, clock=self.clock, sleep=self.sleep, maintenance=self.settings.maintenance
        )

    def client(self, source: Source) -> S3Client:
        """Return the source's S3 client, which is created on first use."""
        if source.name not in self._clients:
            self._clients[source.name] = self._client_for(source)
        return self._clients[source.name]
