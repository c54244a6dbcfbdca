"""The verbs that DAGs and the command call: plan, stage, audit, publish, verdict.

Each takes and gives plain data, and finds all else in the ledger by the run's key, so
a task that runs again, on another machine, after a crash, goes on from what is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from vpclogs.apart import fail_apart
from vpclogs.batch_results import LEFT_OUT, BatchResult, fingerprint
from vpclogs.batches import batch_label, plan_batches
from vpclogs.errors import VpcLogsError
from vpclogs.ledger import Ledger
from vpclogs.ledger.database import REFUSALS, refusal
from vpclogs.listed_days import Listed
from vpclogs.manifests import Manifest, Mode, unrecorded
from vpclogs.objects import LogObject
from vpclogs.partitions import UNKNOWN_REGION, LogType, Partition
from vpclogs.settings import Settings
from vpclogs.sources import Source
from vpclogs.verdicts import verdict

# Each task of a run is a process that needs one verb: what only that verb needs it imports itself.
if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from vpclogs.planning import Survey
    from vpclogs.publishing import Publisher
    from vpclogs.staging import Covers, Progress
    from vpclogs.warehouse import Warehouse

__all__ = ["Pipeline", "utc_now"]


def utc_now() -> datetime:
    """The time, aware UTC."""
    return datetime.now(UTC)


class Pipeline:
    """The main job of one deployment.

    ``client_for`` makes the S3 client of a source; it is called once per source and
    process. ``clock`` gives aware UTC.
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
        self._sleep = sleep

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.ledger)

    @cached_property
    def warehouse(self) -> Warehouse:
        from vpclogs.warehouse import Warehouse

        return Warehouse(self.settings.catalog, namespace=self.settings.namespace, sleep=self._sleep)

    @cached_property
    def publisher(self) -> Publisher:
        from vpclogs.publishing import Publisher

        return Publisher(self.ledger, self.warehouse, clock=self.clock, sleep=self._sleep, upkeep=self.settings.upkeep)

    def client(self, source: Source) -> S3Client:
        """The source's S3 client, made on first use."""
        if source.name not in self._clients:
            self._clients[source.name] = self._client_for(source)
        return self._clients[source.name]

    def plan(self, log_type: LogType | str, *, run_key: str, until: datetime | None = None) -> list[dict[str, Any]]:
        """List, subtract what the ledger knows, freeze the manifest; one reference per batch.

        All objects of the day of ``until`` (exclusive; default: now) and of the look-back
        days before it are considered, whenever they were delivered. After a pause, so are the
        days that no run has listed: the oldest ``limits.catch_up_days`` of them, the next ones in the next run.
        """
        kind, now = LogType(log_type), self.clock()
        last = ((until or now) - timedelta(microseconds=1)).date()
        self.publisher.complete_open(kind)
        from vpclogs.planning import hourly_days

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
    ) -> list[dict[str, Any]]:
        """As `plan`, for the given days, and within the account, region or source if given.

        ``report`` is called with what was found.
        """
        self.publisher.complete_open(LogType(log_type))
        now = self.clock()
        found = self.survey_days(log_type, days, account=account, region=region, source=source)
        coverage = found.coverage(now, hourly=False)
        report(found)
        return self.freeze(LogType(log_type), found, run_key=run_key, mode=Mode.ADD, coverage=coverage)

    def plan_partition(self, log_type: LogType | str, key: str, *, run_key: str) -> list[dict[str, Any]]:
        """List one partition and freeze all of it, loaded before or not: a reload.

        Raises:
            InvalidPartition: the key is not account|region|day.
            VpcLogsError: neither S3 nor the ledger has any object of the partition.
        """
        partition = Partition.parse(key, log_type)
        if not self.settings.kept_days(partition.log_type, [partition.day], self.clock().date()):
            raise VpcLogsError(f"{partition.label}: its day is kept no longer, see upkeep.retention_days")
        self.publisher.complete_open(partition.log_type)
        found = self.survey_partition(partition)
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
        """What `plan_days` would load: a dry run. Days before a source's start day are left out."""
        from vpclogs.planning import started

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
        """What S3 has that is not loaded (or all it has), over all sources. Changes nothing but what is
        learned of the VPCs' regions."""
        sources = [s for s in self.settings.sources_for(log_type) if only in (None, s.name)]
        from vpclogs.planning import survey

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

    def stage(self, batch: dict[str, Any], *, progress: Progress = lambda objects, records: None) -> dict[str, Any]:
        """Fetch, parse and write one batch. Safe to repeat: what is staged last counts."""
        manifest, number = int(batch["manifest"]), int(batch["batch"])
        objects = self.ledger.manifests.batch(manifest, number)
        log_type = objects[0].log_type
        from vpclogs.staging import stage
        from vpclogs.staging_apart import stage_apart

        attempt = partial(
            stage,
            log_type=log_type,
            stem=f"{manifest}-{number:04d}",
            fetch=self._fetch,
            warehouse=self.warehouse,
            limits=self.settings.limits.parsing,
            now=self.clock(),
            covers=self._covers(objects),
            progress=progress,
        )
        result = stage_apart(objects, attempt)
        for one in result.learned:
            self.ledger.objects.learn_region(one.account, one.scope, one.region, learned_from=one.key)
        self.ledger.manifests.keep_staged(manifest, number, result, now=self.clock())
        return {
            "objects": len(result.outcomes),
            "records": sum(outcome.rows + outcome.refused for outcome in result.outcomes),
            "rows": sum(outcome.rows for outcome in result.outcomes),
            "refused": sum(outcome.refused for outcome in result.outcomes),
            "unread": sum(outcome.state == "failed" for outcome in result.outcomes),
        }

    def audit(self, run_key: str) -> dict[str, Any]:
        """Check what was staged, partition by partition; say which may be published."""
        manifest = self.ledger.manifests.latest(run_key)
        return self._audit(manifest, self.ledger.manifests.staged(manifest.id))

    def publish(self, run_key: str) -> dict[str, Any]:
        """Commit the partitions that passed, in one commit; mark the others failed.

        ``published`` are the partitions that hold all of this run's objects now, ``changed`` those
        that this run changed, ``newly_failed`` those that were not failed before this run.
        """
        manifest = self.ledger.manifests.latest(run_key)
        staged = self.ledger.manifests.staged(manifest.id)
        decided = self.ledger.manifests.audit(manifest.id) or {"passed": [], "failed": []}
        if decided.get("staged", "") != fingerprint(staged):  # a stage task ran again, or has just ended, since
            decided = self._audit(manifest, staged)
        refused = fail_apart(decided["passed"], partial(self.publisher.publish, manifest, staged), REFUSALS)
        self._mark_unread(manifest, staged)
        committed = self.ledger.intents.committed(manifest.id)
        failed = dict(decided["failed"])
        failed |= {key: f"the ledger does not take it: {refusal(error)}" for key, error in refused.items()}
        before = self.ledger.manifests.outcome(manifest.id) or {"newly_failed": []}
        newly = self.ledger.partitions.not_failed(list(failed), manifest.log_type)
        outcome = {
            "published": [key for key in decided["passed"] if key not in refused],
            "changed": sorted(committed.brought),
            "failed": [[key, why] for key, why in failed.items()],
            "newly_failed": sorted({*before["newly_failed"], *newly}),
        }
        # in this order: after a crash between the two they would be no news
        self.ledger.manifests.keep_outcome(manifest.id, outcome)
        self.ledger.partitions.fail(failed, log_type=manifest.log_type, run_key=run_key, now=self.clock())
        # last: the days of a run that died before are listed again by the next
        if manifest.coverage is not None:
            self.ledger.listings.keep(manifest.coverage, manifest.listing_failures)
        return outcome

    def verdict(self, run_key: str) -> dict[str, Any]:
        """What the run did.

        Raises:
            PartitionsFailed: names each partition, and each part of a source, that was not loaded.
        """
        manifest = self.ledger.manifests.latest(run_key)
        outcome = self.ledger.manifests.outcome(manifest.id) or {"published": [], "failed": []}
        placed = manifest.placed(self.ledger.manifests.staged(manifest.id).values())
        return verdict(placed, outcome, self.ledger.intents.committed(manifest.id))

    def freeze(
        self,
        log_type: LogType,
        found: Survey,
        *,
        run_key: str,
        mode: Mode,
        targets: Sequence[Partition] = (),
        coverage: Listed | None = None,
    ) -> list[dict[str, Any]]:
        """Write what was found down as the manifest of a run; one reference per batch.

        ``targets`` are the partitions that a reload swaps in, ``coverage`` the days that count as listed once the
        run has published.
        """
        limits = self.settings.limits
        self.ledger.objects.mark(found.vanished, state="gone", detail="deleted before it was loaded", now=self.clock())
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
            now=self.clock(),
        )
        return [
            {"manifest": manifest.id, "batch": number, "label": batch_label(batches, number)}
            for number in range(len(batches))
        ]

    def _misplaced(self, partition: Partition) -> bool:
        """Whether the table holds rows in the partition that belong elsewhere, or elsewhere rows that belong there."""
        from vpclogs.upkeep.placement import misplaced_rows

        return any(misplaced_rows(self.warehouse, one) for one in self._targets(partition))

    def _targets(self, partition: Partition) -> list[Partition]:
        """The partition, and that of the region ``unknown`` as long as rows lie there."""
        log_type, account, day = partition.log_type, partition.account, partition.day
        return sorted({partition, *self.ledger.objects.homeless(log_type, account=account, day=day)})

    def _covers(self, objects: Sequence[LogObject]) -> Covers:
        """Whether a source reads a region. What is in a table already is moved there, not left out."""
        sources = {source.name: source for source in self.settings.sources}
        if not any(source.narrows_regions for source in sources.values()):
            return lambda item, region: True
        settled = self.ledger.objects.settled(item.identity for item in objects)
        return lambda item, region: item.identity in settled or sources[item.source].covers_region(region)

    def _close_empty(self, partition: Partition, run_key: str) -> None:
        if not self.ledger.partitions.knows(partition):
            raise VpcLogsError(
                f"{partition.label}: S3 has no object of this partition, and the ledger knows none. Check the "
                f"account, the region (for DNS logs the VPC's) and the day, and that a source covers them."
            )
        self.ledger.partitions.close(
            partition, detail="S3 has no object of it any more", run_key=run_key, now=self.clock()
        )

    def _fetch(self, source: str, objects: Sequence[LogObject]) -> Iterable[Any]:
        named = next(s for s in self.settings.sources if s.name == source)
        from vpclogs.fetching import fetch

        return fetch(
            self.client(named),
            objects,
            threads=self.settings.limits.fetch_threads,
            requester_pays=named.requester_pays,
        )

    def _audit(self, manifest: Manifest, staged: Mapping[int, BatchResult]) -> dict[str, Any]:
        from vpclogs.gate import audit_staged, decision

        findings = audit_staged(manifest, staged, self.settings.audit)
        self.ledger.partitions.keep_findings(manifest.id, findings, now=self.clock())
        decided = decision(findings)
        self.ledger.manifests.keep_audit(manifest.id, decided | {"staged": fingerprint(staged)})
        return decided

    def _mark_unread(self, manifest: Manifest, staged: Mapping[int, BatchResult]) -> None:
        """Enter in the ledger the objects that were gone or changed when they were read, or that are left out."""
        by_state: dict[str, list[int]] = {"gone": [], "changed": [], LEFT_OUT: []}
        for result in staged.values():
            for outcome in result.outcomes:
                if outcome.state in by_state:
                    by_state[outcome.state].append(manifest.object_ids[outcome.identity])
        for state, ids in by_state.items():
            if ids:
                detail = f"found {state.replace('_', ' ')} by run {manifest.run_key}"
                self.ledger.objects.mark(ids, state=state, detail=detail, now=self.clock())
