"""The verbs that DAGs and the command call: plan, stage, audit, publish, verdict.

Each reads the state of the run from the ledger by the run's key. A task that runs again, on another
machine or after a crash, therefore continues from the recorded state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from vpclogs.errors import PartitionsFailed, VpcLogsError
from vpclogs.ledger.database import REFUSALS, refusal
from vpclogs.manifests import Manifest
from vpclogs.objects import LogObject
from vpclogs.partitions import UNKNOWN_REGION
from vpclogs.plan_verbs import PlanVerbs
from vpclogs.runs import AuditDecision, BatchRef, RunCounts, RunOutcome, StageCounts, Watcher
from vpclogs.staged import LEFT_OUT, BatchResult, fingerprint
from vpclogs.staging.halving import fail_apart

# Each task of a run is a process that calls one verb: imports that only one verb needs are inside it.
if TYPE_CHECKING:
    from vpclogs.staging.stage import Covers, Progress

__all__ = ["Pipeline", "Stage"]

Stage = Callable[..., StageCounts]
"""Stages a batch: called with a `BatchRef` and, by keyword, ``progress``."""


class Pipeline(PlanVerbs):
    """The main job of one deployment."""

    def stage(self, batch: BatchRef, *, progress: Progress = lambda objects, records: None) -> StageCounts:
        """Fetch, parse and write one batch. Return its counts. Safe to repeat: the last result counts."""
        objects = self.ledger.manifests.batch(batch.manifest, batch.batch)
        log_type = objects[0].log_type
        from vpclogs.staging.apart import stage_apart
        from vpclogs.staging.stage import stage

        attempt = partial(
            stage,
            log_type=log_type,
            # Names only; each file's path has a random part too, so that attempts never overwrite each other.
            stem=f"{batch.manifest}-{batch.batch:04d}",
            fetch=self._fetch,
            warehouse=self.warehouse,
            limits=self.settings.limits.parsing,
            now=self.clock(),
            covers=self._covers(objects),
            progress=progress,
        )
        result = stage_apart(objects, attempt)
        for one in result.learned:
            # The next plan then needs no GET to find out the region of this VPC.
            self.ledger.objects.learn_region(one.account, one.scope, one.region, learned_from=one.key)
        # Last: from here on the batch counts as staged, and a killed task has left only files that no table knows.
        self.ledger.manifests.keep_staged(batch.manifest, batch.batch, result, now=self.clock())
        return StageCounts(
            objects=len(result.outcomes),
            records=sum(outcome.rows + outcome.refused for outcome in result.outcomes),
            rows=sum(outcome.rows for outcome in result.outcomes),
            refused=sum(outcome.refused for outcome in result.outcomes),
            unread=sum(outcome.state == "failed" for outcome in result.outcomes),
        )

    def audit(self, run_key: str) -> AuditDecision:
        """Check the staged batches, partition by partition. Return the partitions that may be published."""
        manifest = self.ledger.manifests.latest(run_key)
        return self._audit(manifest, self.ledger.manifests.staged(manifest.id))

    def publish(self, run_key: str) -> RunOutcome:
        """Commit the partitions that passed, in one commit, and mark the others failed. Return the keys of each."""
        manifest = self.ledger.manifests.latest(run_key)
        staged = self.ledger.manifests.staged(manifest.id)
        decided = self.ledger.manifests.audit(manifest.id) or AuditDecision()
        if decided.staged != fingerprint(staged):  # a stage task ran again, or has just ended, since
            decided = self._audit(manifest, staged)
        # Normally one commit for all. If the database refuses one partition's values, the others are published.
        refused = fail_apart(decided.passed, partial(self.publisher.publish, manifest, staged), REFUSALS)
        self._mark_unread(manifest, staged)
        committed = self.ledger.intents.committed(manifest.id)
        failed = dict(decided.failed)
        failed |= {key: f"the ledger rejects it: {refusal(error)}" for key, error in refused.items()}
        # A task that is cleared runs again: partitions that its first attempt found newly failed remain news.
        before = self.ledger.manifests.outcome(manifest.id) or RunOutcome()
        newly = self.ledger.partitions.not_failed(list(failed), manifest.log_type)
        outcome = RunOutcome(
            published=[key for key in decided.passed if key not in refused],
            changed=sorted(committed.brought),
            failed=list(failed.items()),
            newly_failed=sorted({*before.newly_failed, *newly}),
        )
        # in this order: after a crash between the two they would be no news
        self.ledger.manifests.keep_outcome(manifest.id, outcome)
        self.ledger.partitions.fail(failed, log_type=manifest.log_type, run_key=run_key, now=self.clock())
        # last: the days of a run that died before are listed again by the next
        if manifest.coverage is not None:
            self.ledger.listings.keep(manifest.coverage, manifest.listing_failures)
        return outcome

    def newly_failed(self, run_key: str) -> list[str]:
        """Return the keys of the partitions that failed in a run and had not failed before it."""
        outcome = self.ledger.manifests.outcome(self.ledger.manifests.latest(run_key).id)
        return outcome.newly_failed if outcome else []

    def verdict(self, run_key: str) -> RunCounts:
        """Return the counts of a run that published all its partitions.

        Raises:
            PartitionsFailed: names each partition, and each part of a source, that was not loaded.
        """
        # By the regions that the records named: keys in the outcome are those, not the planned ones.
        frozen = self.ledger.manifests.latest(run_key)
        outcome = self.ledger.manifests.outcome(frozen.id) or RunOutcome()
        manifest = frozen.placed(self.ledger.manifests.staged(frozen.id).values())
        # Partitions without a decision count as failures, so that a skipped task cannot look like a success.
        undecided = {p.key for p in manifest.partitions} - {*outcome.published, *dict(outcome.failed)}
        failed = [
            *outcome.failed,
            *((key, "was not published: see the run's audit and publish tasks") for key in sorted(undecided)),
            *((failure.label, failure.detail) for failure in manifest.listing_failures),
        ]
        if failed:
            raise PartitionsFailed(failed)
        return self._counts(manifest)

    def counts(self, run_key: str) -> RunCounts:
        """Return the counts of a run's own commits, whether or not all of its partitions are published."""
        return self._counts(self.ledger.manifests.latest(run_key))

    def _counts(self, manifest: Manifest) -> RunCounts:
        committed = self.ledger.intents.committed(manifest.id)
        return RunCounts(
            planned=len(manifest.objects),
            partitions=len(committed.brought),
            objects=committed.objects,
            moved=committed.rehomed,
            rows=committed.rows,
            quarantined=committed.quarantined,
        )

    def run(
        self,
        batches: Sequence[BatchRef],
        run_key: str,
        *,
        stage: Stage | None = None,
        watcher: Watcher | None = None,
    ) -> RunCounts:
        """Stage, audit and publish a planned run in this process. Return its counts.

        ``batches`` are those that a plan returned. ``stage`` stages one of them, by default `Pipeline.stage`. If it
        fails for a batch, the partitions of that batch fail alone.

        Raises:
            PartitionsFailed: names each partition, and each part of a source, that was not loaded.
        """
        watcher = watcher or Watcher()
        for batch in batches:
            try:
                counts = (stage or self.stage)(batch, progress=watcher.progress)
            # Anything else is a defect of vpclogs and ends the command with a traceback.
            except (VpcLogsError, OSError) as error:
                watcher.not_staged(batch, error)
            else:
                watcher.staged(batch, counts)
        self.audit(run_key)
        watcher.published(self.publish(run_key))
        return self.verdict(run_key)

    def _covers(self, objects: Sequence[LogObject]) -> Covers:
        """Return a test for the regions that a source reads. Objects in a table already are moved, not left out."""
        sources = {source.name: source for source in self.settings.sources}
        if not any(source.narrows_regions for source in sources.values()):
            return lambda item, region: True
        # Objects that are already in a table stay covered; narrowing `regions` must not drop rows at a reload.
        settled = self.ledger.objects.settled(item.identity for item in objects)
        return lambda item, region: item.identity in settled or sources[item.source].covers_region(region)

    def _fetch(self, source: str, objects: Sequence[LogObject]) -> Iterable[Any]:
        named = next(s for s in self.settings.sources if s.name == source)
        from vpclogs.s3.prefetch import fetch

        return fetch(
            self.client(named),
            objects,
            threads=self.settings.limits.fetch_threads,
            requester_pays=named.requester_pays,
        )

    def _audit(self, manifest: Manifest, staged: Mapping[int, BatchResult]) -> AuditDecision:
        from vpclogs.audits.run import audit_staged, decision

        # Their regions may have been learned by another batch since the plan.
        unplaced = [(item.account, item.scope) for item in manifest.objects if item.region == UNKNOWN_REGION]
        regions = self.ledger.objects.regions(unplaced)
        findings = audit_staged(manifest, staged, self.settings.audit, regions=regions)
        self.ledger.partitions.keep_findings(manifest.id, findings, now=self.clock())
        decided = decision(findings, staged=fingerprint(staged))
        self.ledger.manifests.keep_audit(manifest.id, decided)
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
