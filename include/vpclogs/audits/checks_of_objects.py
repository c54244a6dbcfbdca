"""Checks that every object of the manifest is accounted for exactly once, and complete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from vpclogs.audits.case import NOT_OURS, OTHER_LOGS, Case
from vpclogs.audits.check import Check, Seen, percent
from vpclogs.audits.finding import Severity
from vpclogs.batch_results import ObjectOutcome
from vpclogs.parsing.model import ObjectState

__all__ = ["OBJECT_CHECKS"]


def _missing(case: Case) -> Iterator[Seen]:
    done = {outcome.identity for outcome in case.outcomes}
    missing = [item for item in case.expected if item.identity not in done]
    if missing:
        yield (
            f"the manifest has {len(case.expected)} objects, {len(missing)} of them were not staged: a stage task did "
            f"not end. Clear the failed stage task, or rerun the partition",
            missing[0].key,
        )


def _failed(case: Case) -> Iterator[Seen]:
    for reason, outcomes in _by_reason(case.ended(ObjectState.FAILED)):
        yield (
            f"{len(outcomes)} of {len(case.expected)} objects could not be read ({reason}): {_detail(outcomes)}. Mend "
            f"that, then rerun the partition",
            case.key(outcomes[0]),
        )


def _repeated_ids(case: Case) -> Iterator[Seen]:
    twice = [identity for identity, count in Counter(o.identity for o in case.outcomes).items() if count > 1]
    if twice:
        item = case.objects.get(twice[0])
        yield (
            f"each object is staged once, {len(twice)} were staged more often, so their row ids repeat. Rerun the "
            f"partition; if it comes back, report it as a bug",
            item.key if item else None,
        )
    if case.seen.disordered:
        yield (
            f"rows come in the order of their lines, {case.seen.disordered} did not, so row ids may repeat. Report "
            f"it as a bug",
            None,
        )


def _lost(case: Case) -> Iterator[Seen]:
    loaded = case.ended(ObjectState.LOADED)
    rows, refused = sum(o.rows for o in loaded), sum(o.refused for o in loaded)
    if (rows, refused) != (case.seen.rows, case.seen.refused):
        yield (
            f"the objects hold {rows} good and {refused} refused records, {case.seen.rows} and {case.seen.refused} "
            f"were staged. Rerun the partition; if it comes back, report it as a bug",
            None,
        )


def _refused(case: Case) -> Iterator[Seen]:
    for reason, outcomes in _by_reason(case.ended(ObjectState.REFUSED)):
        if reason not in OTHER_LOGS:
            yield (
                f"{len(outcomes)} of {len(case.expected)} objects were refused whole ({reason}): "
                f"{_detail(outcomes)}. See the quarantine",
                case.key(outcomes[0]),
            )


def _mostly_refused(case: Case) -> Iterator[Seen]:
    refused = [o for o in case.ended(ObjectState.REFUSED) if o.reason not in NOT_OURS]
    ours = len(refused) + len(case.ended(ObjectState.LOADED))
    if ours >= case.limits.min_objects and len(refused) > ours * case.limits.max_refused_objects_share:
        yield (
            f"at most {percent(case.limits.max_refused_objects_share)} of the objects may be refused whole, "
            f"{len(refused)} of {ours} were. Look at one in the quarantine: the log's format or encryption has changed",
            case.key(refused[0]),
        )


def _other_logs(case: Case) -> Iterator[Seen]:
    for reason, outcomes in _by_reason(case.ended(ObjectState.REFUSED)):
        if reason in OTHER_LOGS:
            yield (
                f"{len(outcomes)} of {len(case.expected)} objects are another kind of log ({reason}) and were left "
                f"out. Nothing to do",
                case.key(outcomes[0]),
            )


def _gone(case: Case) -> Iterator[Seen]:
    if gone := case.ended(ObjectState.GONE):
        yield (
            f"{len(gone)} of {len(case.expected)} objects were deleted between listing and reading; their records are "
            f"not in the table. Check the bucket's lifecycle rules and who deletes there",
            case.key(gone[0]),
        )


def _changed(case: Case) -> Iterator[Seen]:
    if changed := case.ended(ObjectState.CHANGED):
        yield (
            f"{len(changed)} of {len(case.expected)} objects were rewritten between listing and reading. Nothing to "
            f"do: the next run loads what is there then",
            case.key(changed[0]),
        )


def _empty(case: Case) -> Iterator[Seen]:
    empty, limit = case.ended(ObjectState.EMPTY), case.limits.max_empty_objects_share
    if len(case.expected) >= case.limits.min_objects and len(empty) > len(case.expected) * limit:
        yield (
            f"at most {percent(limit)} of the objects should hold no record, {len(empty)} of {len(case.expected)} hold "
            f"none. Look at what is delivered",
            case.key(empty[0]),
        )


def _copied(case: Case) -> Iterator[Seen]:
    rows = {outcome.identity: outcome.rows for outcome in case.outcomes}
    first: dict[tuple[str, int], str] = {}
    copies = []
    for item in case.expected:
        if rows.get(item.identity):
            original = first.setdefault((item.etag, item.size), item.key)
            if original != item.key:
                copies.append((original, item.key))
    if copies:
        yield (
            f"each object is delivered once, {len(copies)} of {len(case.expected)} have the very content of another, "
            f"so their records are in the table twice. Delete the copies, then reload the partition; the first "
            f"original is {copies[0][0]}",
            copies[0][1],
        )


def _detail(outcomes: list[ObjectOutcome]) -> str:
    return outcomes[0].detail.rstrip(".")


def _by_reason(outcomes: list[ObjectOutcome]) -> Iterator[tuple[str, list[ObjectOutcome]]]:
    for reason in sorted({outcome.reason or "" for outcome in outcomes}):
        yield reason, [outcome for outcome in outcomes if (outcome.reason or "") == reason]


OBJECT_CHECKS = (
    Check(
        "missing_objects",
        Severity.ERROR,
        _missing,
        expects="Every object of the manifest was staged.",
        why="Publishing without them would call a partition complete that is not.",
        action="A stage task failed or was killed. Open its log, mend the cause, then clear the task.",
    ),
    Check(
        "failed_objects",
        Severity.ERROR,
        _failed,
        expects="Every object could be read.",
        why="Denied, throttled or broken reads say nothing about what the object holds.",
        action="The message names the cause: usually a missing `s3:GetObject` or `kms:Decrypt`, or an object in an "
        "archive class. Mend it and rerun the partition; throttling passes by itself.",
    ),
    Check(
        "repeated_row_ids",
        Severity.ERROR,
        _repeated_ids,
        expects="No row id is given twice.",
        why="The row id is what makes loading twice the same as loading once.",
        action="Rerun the partition. It cannot happen by bad data; if it comes back, report a bug.",
    ),
    Check(
        "lost_records",
        Severity.ERROR,
        _lost,
        expects="As many records are staged and quarantined as the objects hold.",
        why="Records must not get lost between parser and table.",
        action="Rerun the partition. It cannot happen by bad data; if it comes back, report a bug.",
    ),
    Check(
        "mostly_refused",
        Severity.ERROR,
        _mostly_refused,
        threshold=("max_refused_objects_share", "min_objects"),
        expects="Most objects are readable as what their prefix says.",
        why="When most are not, something upstream changed for all of them: format, compression, encryption.",
        action="Look at one refused object in the quarantine, and at what changed in the account that day. When it is "
        "mended, reload the partition.",
    ),
    Check(
        "refused_objects",
        Severity.WARNING,
        _refused,
        expects="No object is refused whole.",
        why="All records of such an object are missing from the table.",
        action="The reason code says what it is. Damaged: upload it again. Foreign: move it out of the prefix.",
    ),
    Check(
        "other_logs",
        Severity.INFO,
        _other_logs,
        expects="Only this log lies under the prefix.",
        why="Transit gateway flow logs share the prefix of VPC flow logs; they are another log, with other columns.",
        action="Nothing.",
    ),
    Check(
        "gone_objects",
        Severity.WARNING,
        _gone,
        expects="What was listed can still be read.",
        why="Their records are lost unless the bucket has versions.",
        action="Look at lifecycle rules that expire sooner than the look-back, and at who deletes in the bucket.",
    ),
    Check(
        "changed_objects",
        Severity.INFO,
        _changed,
        expects="AWS writes an object once.",
        why="Somebody rewrites objects; the new version is loaded by the next run and replaces the old.",
        action="Nothing tonight. Find out what writes to the bucket.",
    ),
    Check(
        "empty_objects",
        Severity.WARNING,
        _empty,
        threshold=("max_empty_objects_share", "min_objects"),
        expects="Most objects hold records.",
        why="AWS writes no file when there is nothing to log.",
        action="Look at one of them: is it AWS's or a placeholder that another tool writes?",
    ),
    Check(
        "copied_objects",
        Severity.WARNING,
        _copied,
        expects="No two objects have the same etag and size.",
        why="Then each record of one is in the table twice, and counts and sums are wrong. A copy by hand or a "
        "replication rule does this, AWS's delivery does not.",
        action="Delete the copies (or narrow the source's prefix), then reload the partition.",
    ),
)
