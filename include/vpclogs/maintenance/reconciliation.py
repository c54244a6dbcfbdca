"""Compare S3 with the ledger, and the ledger with the tables.

For each partition a certificate counts where every listed object and record went. It is
complete if nothing is pending and the tables hold exactly the rows that the ledger
counts. A partition that was published between the first and the last of these reads is
left to the next time: the ledger's version of it tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pyiceberg.expressions import And

from vpclogs.findings import Finding, Severity
from vpclogs.identifiers import is_region
from vpclogs.ledger.certificates import Certified, Standing
from vpclogs.ledger.partitions import Certificate
from vpclogs.listed_days import Listed
from vpclogs.maintenance.retention import first_refused
from vpclogs.manifests import ListingFailure, unrecorded
from vpclogs.objects import LogObject
from vpclogs.partitions import LogType, Partition
from vpclogs.planning.survey import started
from vpclogs.schemas import schema_for
from vpclogs.warehouse.partition_files import files_by_partition, on_days
from vpclogs.warehouse.placement import misplaced_on
from vpclogs.warehouse.tables import QUARANTINE, equals, in_partition

if TYPE_CHECKING:
    from vpclogs.pipeline import Pipeline

__all__ = ["Reconciled", "default_days", "reconcile"]

_DAYS_AT_ONCE = 7  # bounds memory: the objects of these days are held
_CHECKS = ("late_objects", "table_counts", "misplaced_rows")
_NOTHING = Certificate(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass
class Reconciled:
    """Keys of partitions: ``reload`` are to be rebuilt, ``announce`` are closed, complete and not yet announced.

    ``mismatched`` are pairs of a key and what is wrong: the tables do not hold what the
    ledger counts. ``unlisted`` is what could not be listed.
    """

    partitions: int = 0
    complete: int = 0
    gone: int = 0
    reload: list[str] = field(default_factory=list)
    announce: list[str] = field(default_factory=list)
    mismatched: list[tuple[str, str]] = field(default_factory=list)
    unlisted: list[tuple[str, str]] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def default_days(pipeline: Pipeline, log_type: LogType) -> list[date]:
    """Return the days to reconcile daily: the open ones, the newly closed one, and those of the settings.

    With them come those of any age on which rows lie in the region ``unknown``.
    """
    today = pipeline.clock().date()
    first = min(
        pipeline.settings.first_open_day(log_type, today) - timedelta(days=1),
        today - timedelta(days=pipeline.settings.maintenance.reconcile_days),
    )
    recent = [first + timedelta(days=number) for number in range((today - first).days + 1)]
    return sorted({*recent, *(one.day for one in pipeline.ledger.objects.homeless(log_type))})


def reconcile(pipeline: Pipeline, log_type: LogType, *, run_key: str, days: Sequence[date] | None = None) -> Reconciled:
    """Reconcile days of a log. The partitions in ``reload`` are marked failed until they are rebuilt.

    They are named once, by the run that found them first; if that run's task is repeated, again.
    """
    today = pipeline.clock().date()
    days = pipeline.settings.kept_days(log_type, sorted(days or default_days(pipeline, log_type)), today)
    done = Reconciled()
    for start in range(0, len(days), _DAYS_AT_ONCE):
        _Part(pipeline, log_type, days[start : start + _DAYS_AT_ONCE], run_key, done).run()
    open_from = pipeline.settings.first_open_day(log_type, today)
    done.announce = pipeline.ledger.certificates.unannounced(log_type, before=open_from)
    return done


class _Part:
    """A few days."""

    def __init__(
        self, pipeline: Pipeline, log_type: LogType, days: Sequence[date], run_key: str, done: Reconciled
    ) -> None:
        self._pipeline = pipeline
        self._ledger = pipeline.ledger
        self._log_type = log_type
        self._days = days
        self._run_key = run_key
        self._done = done
        self._now = pipeline.clock()
        self._findings: dict[Partition, list[Finding]] = {}

    def run(self) -> None:
        self._pipeline.publisher.require_current_ledger(self._log_type)
        late, failures, coverage = self._list()
        # Read before and after everything else: only partitions that stood still in between are judged.
        before = self._ledger.certificates.standings(self._log_type, self._days)
        rows, refused = self._rows_in(self._log_type.value), self._rows_in(QUARANTINE)
        counts = self._counts()
        misplaced = misplaced_on(self._pipeline.warehouse, self._log_type, self._days)
        missing = _missing(misplaced)
        hashes = self._ledger.certificates.hashes(self._log_type, self._days)
        after = self._ledger.certificates.standings(self._log_type, self._days)
        made = []
        for partition in sorted({*counts, *rows, *refused}):
            if not _quiet(before.get(partition), after.get(partition)):
                continue
            count = counts.get(partition, _NOTHING)
            detail = self._wrong(partition, count, rows[partition], refused[partition])
            if detail:
                self._add(partition, "table_counts", Severity.ERROR, f"{detail}; reload the partition")
            if partition in misplaced:
                found = _named(misplaced[partition])
                detail = "; ".join(filter(None, [detail, found]))
                self._add(partition, "misplaced_rows", Severity.ERROR, f"{found}; a reload moves them")
            if detail:
                self._done.mismatched.append((partition.key, detail))
            why = detail or missing.get(partition) or _pending(count) or _covering(failures, partition)
            listed = hashes.get(partition, "")
            made.append(Certified(partition, count, listed, rows[partition], refused[partition], why))
            self._findings.setdefault(partition, [])
        self._ledger.certificates.keep(made, now=self._now)
        self._name({one.partition: one.detail for one in made if one.partition in late or self._failed(one)}, after)
        self._ledger.certificates.keep_findings(self._findings, checks=_CHECKS, now=self._now)
        self._ledger.listings.keep(coverage, failures)  # last: a run that died before is no listing
        self._done.partitions += len(made)
        self._done.complete += sum(one.complete for one in made)

    def _list(self) -> tuple[Counter[Partition], Sequence[ListingFailure], Listed]:
        """Return the objects later than the lookback by partition, the failed listings, and the listed days."""
        found = self._pipeline.survey(self._log_type, lambda source: started(self._days, source), all_objects=True)
        self._done.unlisted += [(failure.label, failure.detail) for failure in found.failures]
        self._ledger.objects.mark(found.vanished, state="gone", detail="deleted before it was loaded", now=self._now)
        self._done.gone += len(found.vanished)
        new = self._ledger.objects.new(found.objects)
        refused: dict[str, str] = {}
        self._ledger.objects.record(new, now=self._now, refused=refused)
        self._done.unlisted += [(failure.label, failure.detail) for failure in unrecorded(new, refused)]
        last = self._now.date() - timedelta(days=self._pipeline.settings.lookback_days(self._log_type))
        settled = self._ledger.objects.settled(item.identity for item in new)  # to be moved, see misplaced rows
        late = [item for item in new if item.day < last and item.identity not in settled]
        for partition, listed in _by_partition(late).items():
            message = f"{len(listed)} objects are not loaded, and no hourly run lists this day any more"
            self._add(partition, "late_objects", Severity.WARNING, f"{message}; a reload brings them", listed[0].key)
        return Counter(item.partition for item in late), found.failures, found.coverage(self._now, hourly=False)

    def _rows_in(self, name: str) -> Counter[Partition]:
        """The rows that a table holds, by partition; from its metadata where it can be."""
        table = self._pipeline.warehouse.table(name)
        where = on_days(self._days)
        if name == QUARANTINE:
            where = And(where, equals("p_log_type", schema_for(self._log_type).title))
        counted: Counter[Partition] = Counter()
        for partition, found in files_by_partition(table, where).items():
            plain = found.rows if found.plain else table.scan(row_filter=in_partition(partition, name)).count()
            counted[partition] = plain
        return counted

    def _counts(self) -> dict[Partition, Certificate]:
        wanted = set(self._days)
        known = self._ledger.partitions.status(self._log_type, since=self._days[0])
        return {one.partition: one.certificate for one in known if one.partition.day in wanted}

    def _wrong(self, partition: Partition, count: Certificate, rows: int, refused: int) -> str:
        maintenance = self._pipeline.settings.maintenance
        first = first_refused(maintenance, self._log_type, self._now.date())
        kept = first is None or partition.day >= first
        if count.rows == rows and (count.quarantined == refused or not kept):
            return ""
        return (
            f"the ledger counts {count.rows} rows and {count.quarantined} refused records, "
            f"the tables hold {rows} and {refused}"
        )

    def _failed(self, one: Certified) -> bool:
        return any(finding.severity is Severity.ERROR for finding in self._findings.get(one.partition, ()))

    def _name(self, wrong: dict[Partition, str], standings: dict[Partition, Standing]) -> None:
        known = {partition: standings.get(partition) for partition in wrong}
        news = {
            partition.key: wrong[partition]
            for partition, one in known.items()
            # A partition that has failed before was named by the run that found it: naming it daily would
            # reload it daily.
            if one is None or one.state != "failed" or one.run_key == self._run_key
        }
        self._ledger.partitions.fail(news, log_type=self._log_type, run_key=self._run_key, now=self._now)
        self._done.reload += sorted(news)

    def _add(
        self, partition: Partition, check: str, severity: Severity, message: str, example: str | None = None
    ) -> None:
        self._findings.setdefault(partition, []).append(Finding(check, severity, message, example))


def _quiet(before: Standing | None, after: Standing | None) -> bool:
    """Return True if nothing was published to a partition between the two reads of the ledger."""
    if before is None or after is None:
        return before is after
    return before.version == after.version and not before.publishing and not after.publishing


def _pending(count: Certificate) -> str:
    return "" if count.complete else f"{count.pending} of {count.listed} objects are not loaded"


def _named(counts: Counter[str]) -> str:
    """Return the problem of a partition that holds rows of other regions."""
    shown = ", ".join(f"{count} of {region[:40]!r}" for region, count in counts.most_common(5))
    more = f" and {len(counts) - 5} more regions" if len(counts) > 5 else ""
    return f"the partition holds rows that name another region: {shown}{more}"


def _missing(misplaced: Mapping[Partition, Counter[str]]) -> dict[Partition, str]:
    """Return the problems of the partitions to which these rows belong."""
    missing: dict[Partition, str] = {}
    for place, counts in misplaced.items():
        for region, count in counts.items():
            if is_region(region):
                home = replace(place, region=region)
                missing[home] = f"{count} of its rows lie in the partition {place.key}; a reload of that one moves them"
    return missing


def _covering(failures: Sequence[ListingFailure], partition: Partition) -> str:
    place = (partition.account, partition.region, partition.day.isoformat())
    for failure in failures:
        missed = (failure.account, failure.region, failure.day)
        if all(one in (None, other) for one, other in zip(missed, place, strict=True)):
            return f"{failure.label} could not be listed: {failure.detail}"
    return ""


def _by_partition(listed: Iterable[LogObject]) -> dict[Partition, list[LogObject]]:
    found: dict[Partition, list[LogObject]] = {}
    for item in listed:
        found.setdefault(item.partition, []).append(item)
    return found
