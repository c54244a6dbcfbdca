"""The verbs that DAGs and the command call: plan, stage, audit, publish, verdict.

Each takes and gives plain data, and finds all else in the ledger by the run's key, so
a task that runs again, on another machine, after a crash, goes on from what is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from vpclogs.apart import fail_apart
from vpclogs.batch_results import LEFT_OUT, BatchResult, fingerprint
from vpclogs.ledger.database import REFUSALS, refusal
from vpclogs.manifests import Manifest
from vpclogs.objects import LogObject
from vpclogs.partitions import UNKNOWN_REGION
from vpclogs.plan_verbs import PlanVerbs
from vpclogs.verdicts import verdict

# Each task of a run is a process that needs one verb: what only that verb needs it imports itself.
if TYPE_CHECKING:
    from vpclogs.staging import Covers, Progress

__all__ = ["Pipeline"]


class Pipeline(PlanVerbs):
    """The main job of one deployment."""

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

    def _covers(self, objects: Sequence[LogObject]) -> Covers:
        """Whether a source reads a region. What is in a table already is moved there, not left out."""
        sources = {source.name: source for source in self.settings.sources}
        if not any(source.narrows_regions for source in sources.values()):
            return lambda item, region: True
        settled = self.ledger.objects.settled(item.identity for item in objects)
        return lambda item, region: item.identity in settled or sources[item.source].covers_region(region)

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

        unplaced = [(item.account, item.scope) for item in manifest.objects if item.region == UNKNOWN_REGION]
        regions = self.ledger.objects.regions(unplaced)
        findings = audit_staged(manifest, staged, self.settings.audit, regions=regions)
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
