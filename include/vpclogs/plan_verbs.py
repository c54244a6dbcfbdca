"""The verbs that list S3 and plan a run: hourly, of chosen days, of one partition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from vpclogs.config.sources import Source
from vpclogs.deployment import Deployment
from vpclogs.errors import VpcLogsError
from vpclogs.listed_days import Listed
from vpclogs.manifests import Mode, unrecorded
from vpclogs.partitions import UNKNOWN_REGION, LogType, Partition
from vpclogs.planning.batches import batch_label, plan_batches
from vpclogs.runs import BatchRef

# Each task of a run is a process that calls one verb: imports that only one verb needs are inside it.
if TYPE_CHECKING:
    from vpclogs.planning.survey import Survey

__all__ = ["PlanVerbs"]


class PlanVerbs(Deployment):
    """The verbs that list the sources, subtract the objects that the ledger has, and freeze the rest as a manifest."""

    def plan(self, log_type: LogType | str, *, run_key: str, until: datetime | None = None) -> list[BatchRef]:
        """Plan an hourly run: freeze the objects that are not loaded as a manifest. Return one reference per batch.

        All objects of the day of ``until`` (exclusive; default: now) and of the lookback
        days before it are considered, whenever they were delivered. After a pause, so are the
        days that no run has listed: the oldest ``limits.catch_up_days`` of them, the next ones in the next run.
        """
        kind, now = LogType(log_type), self.clock()
        # a plain datetime in UTC, not the caller's zone or subclass: its dates go to the ledger
        end = datetime.fromtimestamp((until or now).timestamp(), UTC)
        last = (end - timedelta(microseconds=1)).date()
        # Objects of a publish that crashed are settled first; they would be planned a second time otherwise.
        self.publisher.complete_open(kind)
        from vpclogs.planning.survey import hourly_days

        most, kept = self.settings.limits.catch_up_days, partial(self.settings.kept_days, kind, today=now.date())
        wanted = {
            source.name: hourly_days(source, last, self.ledger.listings.of(source.name), most=most, kept=kept)
            for source in self.settings.sources_for(kind)
        }
        accounts = {name: days.accounts for name, days in wanted.items() if days.accounts}
        found = self.survey(kind, lambda source: wanted[source.name].days, account_days=accounts)
        # a run of an hour long ago, as in a backfill, does not make later runs fill the days since
        coverage = found.coverage(now, hourly=last >= now.date() - timedelta(days=1))
        return self.freeze(kind, found, run_key=run_key, mode=Mode.ADD, coverage=coverage)

    def plan_days(
        self,
        log_type: LogType | str,
        *,
        run_key: str,
        days: Sequence[date],
        account: str | None = None,
        region: str | None = None,
        source: str | None = None,
        report: Callable[[Survey], None] = lambda found: None,
    ) -> list[BatchRef]:
        """As `plan`, for the given days, and within the account, region or source if given.

        ``report`` is called with the survey.
        """
        self.publisher.complete_open(LogType(log_type))
        now = self.clock()
        found = self.survey_days(log_type, days, account=account, region=region, source=source)
        coverage = found.coverage(now, hourly=False)
        report(found)
        return self.freeze(LogType(log_type), found, run_key=run_key, mode=Mode.ADD, coverage=coverage)

    def plan_partition(self, log_type: LogType | str, key: str, *, run_key: str) -> list[BatchRef]:
        """List one partition and freeze all of it, loaded before or not: a reload.

        Raises:
            InvalidPartition: the key is not account|region|day.
            VpcLogsError: neither S3 nor the ledger has any object of the partition.
        """
        partition = Partition.parse(key, log_type)
        if not self.settings.kept_days(partition.log_type, [partition.day], self.clock().date()):
            raise VpcLogsError(f"{partition.label}: its day is older than maintenance.retention_days")
        self.publisher.complete_open(partition.log_type)
        found = self.survey_partition(partition)
        # Without targets nothing is swapped out: an empty listing alone never deletes rows.
        targets = self._targets(partition) if found.objects or self._misplaced(partition) else []
        batches = self.freeze(partition.log_type, found, run_key=run_key, mode=Mode.RELOAD, targets=targets)
        if not targets and not found.failures:
            self._close_empty(partition, run_key)
        return batches

    def survey_partition(self, partition: Partition) -> Survey:
        """All that S3 has of a partition, loaded or not, with the objects that the tables hold there by mistake.

        These are the objects that are settled there although their VPC is in another region,
        and the account's objects whose rows lie in the region ``unknown``: they may belong there.
        """
        strays = {row.identity for row in self.ledger.objects.strays(partition)}
        # Strays lie under another region, so the listing must not be narrowed to this one.
        narrow = None if strays or partition.region == UNKNOWN_REGION else partition.region
        found = self.survey(
            partition.log_type,
            lambda _: [partition.day],
            account=partition.account,
            region=narrow,
            all_objects=True,
        )
        mine = tuple(item for item in found.objects if item.region == partition.region or item.identity in strays)
        return replace(found, objects=mine, listed=len(mine))

    def survey_days(
        self,
        log_type: LogType | str,
        days: Sequence[date],
        *,
        account: str | None = None,
        region: str | None = None,
        source: str | None = None,
    ) -> Survey:
        """Return the survey that `plan_days` would load. Days before a source's start day are left out."""
        from vpclogs.planning.survey import started

        return self.survey(
            LogType(log_type), lambda one: started(days, one), account=account, region=region, only=source
        )

    def survey(
        self,
        log_type: LogType,
        days: Callable[[Source], Sequence[date]],
        *,
        account: str | None = None,
        region: str | None = None,
        only: str | None = None,
        all_objects: bool = False,
        account_days: Mapping[str, Mapping[str, Sequence[date]]] | None = None,
    ) -> Survey:
        """Return the objects of all sources that are not loaded, or all of them. Changes nothing except what is
        learned of the VPCs' regions."""
        sources = [s for s in self.settings.sources_for(log_type) if only in (None, s.name)]
        from vpclogs.planning.survey import survey

        return survey(
            sources,
            lambda source: self.settings.kept_days(log_type, days(source), self.clock().date()),
            client_for=self.client,
            ledger=self.ledger,
            threads=self.settings.limits.list_threads,
            account=account,
            region=region,
            all_objects=all_objects,
            all_sources=only is None,
            account_days=account_days,
        )

    def freeze(
        self,
        log_type: LogType,
        found: Survey,
        *,
        run_key: str,
        mode: Mode,
        targets: Sequence[Partition] = (),
        coverage: Listed | None = None,
    ) -> list[BatchRef]:
        """Record the objects of a survey as the manifest of a run. Return one reference per batch.

        ``targets`` are the partitions that a reload swaps in, ``coverage`` the days that count as listed once the
        run has published.
        """
        from vpclogs.s3.prefetch import read_requests

        limits = self.settings.limits
        # Before the manifest is frozen, so that a deleted object is not counted as missing for ever.
        self.ledger.objects.mark(found.vanished, state="gone", detail="deleted before it was loaded", now=self.clock())
        # Objects that the database cannot store, such as a key with a character that its encoding lacks.
        refused: dict[str, str] = {}
        object_ids = self.ledger.objects.record(found.objects, now=self.clock(), refused=refused)
        batches = plan_batches(
            [item for item in found.objects if item.identity not in refused],
            max_bytes=limits.batch_bytes,
            max_objects=limits.batch_objects,
            max_batches=limits.max_batches,
        )
        manifest = self.ledger.manifests.freeze(
            batches,
            log_type=log_type,
            run_key=run_key,
            mode=mode,
            listing_failures=[*found.failures, *unrecorded(found.objects, refused)],
            listed_until=found.listed_until(self.clock()),
            unread=found.unread,
            targets=targets,
            coverage=coverage,
            object_ids=object_ids,
            list_requests=found.requests,
            read_requests=0 if mode is Mode.REPLAY else read_requests(item for batch in batches for item in batch),
            now=self.clock(),
        )
        return [BatchRef(manifest.id, number, batch_label(batches, number)) for number in range(len(batches))]

    def _misplaced(self, partition: Partition) -> bool:
        """Return True if the table holds rows of other regions in the partition, or its rows in other partitions."""
        from vpclogs.warehouse.placement import misplaced_rows

        return any(misplaced_rows(self.warehouse, one) for one in self._targets(partition))

    def _targets(self, partition: Partition) -> list[Partition]:
        """Return the partition, and that of the region ``unknown`` while it holds rows."""
        log_type, account, day = partition.log_type, partition.account, partition.day
        return sorted({partition, *self.ledger.objects.homeless(log_type, account=account, day=day)})

    def _close_empty(self, partition: Partition, run_key: str) -> None:
        if not self.ledger.partitions.knows(partition):
            raise VpcLogsError(
                f"{partition.label}: S3 has no object of this partition, and the ledger knows none. Check the "
                f"account, the region (for DNS logs the VPC's) and the day, and that a source covers them."
            )
        self.ledger.partitions.close(
            partition, detail="S3 no longer has its objects", run_key=run_key, now=self.clock()
        )
