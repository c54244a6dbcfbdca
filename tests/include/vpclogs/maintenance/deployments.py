"""A deployment with many small files, in few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import DAY, NOW, freeze, make_object, stage_objects
from vpclogs.config.settings import Settings
from vpclogs.intents import Intent
from vpclogs.manifests import Mode
from vpclogs.objects import LogObject
from vpclogs.partitions import LogType, Partition
from vpclogs.pipeline import Pipeline
from vpclogs.publishing.commit import Completer
from vpclogs.warehouse.partition_files import files_by_partition
from vpclogs.warehouse.tables import QUARANTINE

__all__ = ["LATER", "Deployment", "partition_of"]

LATER = NOW + timedelta(days=30)
"""When all partitions of the tests are closed."""

TABLES = ("vpc_dns", QUARANTINE)


def partition_of(day: int = 0, region: str = "us-west-2") -> Partition:
    """The partition of a day, counted from the tests' own."""
    return Partition(LogType.VPC_DNS, "123456789012", region, DAY + timedelta(days=day))


class Crash(Exception):
    """Stands for the end of a process."""


class Deployment:
    """A ledger and tables in a folder, and what was published to them."""

    def __init__(
        self,
        folder: Path,
        *,
        now: datetime = NOW,
        ledger: str | None = None,
        catalog: Mapping[str, str] | None = None,
        **maintenance: Any,
    ) -> None:
        self.now = now
        files = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
        document = {
            "ledger": ledger or f"sqlite:///{folder}/ledger.db",
            "catalog": catalog or files,
            "namespace": folder.name.lower().replace("-", "_"),
            "sources": [{"name": "org-dns", "log_type": "vpc_dns", "bucket": "logs"}],
            "maintenance": maintenance,
        }
        self.pipeline = Pipeline(
            Settings.model_validate(document),
            client_for=lambda source: None,  # type: ignore[arg-type,return-value]
            clock=lambda: self.now,
            sleep=lambda seconds: None,
        )
        self.ledger, self.warehouse = self.pipeline.ledger, self.pipeline.warehouse

    def publish(
        self, objects: Sequence[LogObject], *, run_key: str = "run", mode: Mode = Mode.ADD, rows: int = 3
    ) -> None:
        """Publish objects with so many rows and one refused record each."""
        manifest = freeze(self.ledger, objects, run_key=run_key, mode=mode)
        staged = stage_objects(self.warehouse, objects, rows=rows)
        self.ledger.manifests.keep_staged(manifest.id, 0, staged, now=self.now)
        self.pipeline.publisher.publish(manifest, {0: staged}, sorted({item.partition.key for item in objects}))

    def publish_and_crash(
        self, objects: Sequence[LogObject], monkeypatch: pytest.MonkeyPatch, *, after: str = "both tables"
    ) -> None:
        """Publish, and end before the ledger is told, or before the second of the two tables is changed."""
        commit = Completer._commit

        def crash(*arguments: Any, **named: Any) -> None:
            raise Crash

        def commit_or_crash(completer: Completer, intent: Intent, name: str) -> bool:
            if name != QUARANTINE and after == "the first table":
                raise Crash
            return commit(completer, intent, name)

        with monkeypatch.context() as patch:
            patch.setattr(self.ledger.intents, "settle", crash)
            patch.setattr(Completer, "_commit", commit_or_crash)
            with pytest.raises(Crash):
                self.publish(objects, run_key="crashed")

    def publish_hours(self, hours: int, *, days: int = 1, rows: int = 3) -> list[LogObject]:
        """One publish per hour, each of one object; the days take turns."""
        objects = [make_object(f"{hour}", partition=partition_of(hour % days)) for hour in range(hours)]
        for hour, item in enumerate(objects):
            self.publish([item], run_key=f"hour {hour}", rows=rows)
        return objects

    def files(self, table: str = "vpc_dns") -> dict[str, int]:
        """How many files a table has, by partition."""
        found = files_by_partition(self.warehouse.table(table))
        return {partition.key: len(one.tasks) for partition, one in found.items()}

    def today(self) -> date:
        return self.now.date()
