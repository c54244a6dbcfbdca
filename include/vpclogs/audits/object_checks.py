"""Checks that every object of the manifest is accounted for exactly once, and complete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from vpclogs.audits.check import Check, Seen, percent
from vpclogs.audits.context import NOT_OURS, OTHER_LOGS, Context
from vpclogs.findings import Severity
from vpclogs.parsing.model import ObjectState
from vpclogs.partitions import UNKNOWN_REGION
from vpclogs.staged import ObjectOutcome

__all__ = ["OBJECT_CHECKS"]

_MOST_NAMED = 5  # VPCs in one message


def _missing(ctx: Context) -> Iterator[Seen]:
    done = {outcome.identity for outcome in ctx.outcomes}
    missing = [item for item in ctx.expected if item.identity not in done]
    if missing:
        yield (
            f"{len(missing)} of the manifest's {len(ctx.expected)} objects were not staged: a stage task did not "
            f"finish. Clear the failed stage task, or rerun the partition",
            missing[0].key,
        )


def _failed(ctx: Context) -> Iterator[Seen]:
    for reason, outcomes in _by_reason(ctx.ended(ObjectState.FAILED)):
        verb = "written" if reason == "write_failed" else "read"
        yield (
            f"{len(outcomes)} of {len(ctx.expected)} objects could not be {verb} ({reason}): {_detail(outcomes)}. Fix "
            f"this, then rerun the partition",
            ctx.key(outcomes[0]),
        )


def _repeated_ids(ctx: Context) -> Iterator[Seen]:
    twice = [identity for identity, count in Counter(o.identity for o in ctx.outcomes).items() if count > 1]
    if twice:
        item = ctx.objects.get(twice[0])
        yield (
            f"{len(twice)} objects were staged more than once, so their row ids repeat. Rerun the partition; if it "
            f"happens again, report a bug",
            item.key if item else None,
        )
    if ctx.seen.disordered:
        yield (
            f"{ctx.seen.disordered} rows were not in the order of their lines, so row ids may repeat. Report a bug",
            None,
        )


def _lost(ctx: Context) -> Iterator[Seen]:
    loaded = ctx.ended(ObjectState.LOADED)
    rows, refused = sum(o.rows for o in loaded), sum(o.refused for o in loaded)
    if (rows, refused) != (ctx.seen.rows, ctx.seen.refused):
        yield (
            f"the objects hold {rows} good and {refused} refused records, but {ctx.seen.rows} and {ctx.seen.refused} "
            f"were staged. Rerun the partition; if it happens again, report a bug",
            None,
        )


def _refused(ctx: Context) -> Iterator[Seen]:
    for reason, outcomes in _by_reason(ctx.ended(ObjectState.REFUSED)):
        if reason not in OTHER_LOGS:
            yield (
                f"{len(outcomes)} of {len(ctx.expected)} objects were refused whole ({reason}): "
                f"{_detail(outcomes)}. See the quarantine",
                ctx.key(outcomes[0]),
            )


def _mostly_refused(ctx: Context) -> Iterator[Seen]:
    refused = [o for o in ctx.ended(ObjectState.REFUSED) if o.reason not in NOT_OURS]
    ours = len(refused) + len(ctx.ended(ObjectState.LOADED))
    if ours >= ctx.limits.min_objects and len(refused) > ours * ctx.limits.max_refused_objects_share:
        yield (
            f"{len(refused)} of {ours} objects were refused whole, more than "
            f"{percent(ctx.limits.max_refused_objects_share)}. Inspect one in the quarantine: the log's format or "
            f"encryption may have changed",
            ctx.key(refused[0]),
        )


def _other_logs(ctx: Context) -> Iterator[Seen]:
    for reason, outcomes in _by_reason(ctx.ended(ObjectState.REFUSED)):
        if reason in OTHER_LOGS:
            yield (
                f"{len(outcomes)} of {len(ctx.expected)} objects are another kind of log ({reason}) and were "
                f"skipped. No action needed",
                ctx.key(outcomes[0]),
            )


def _gone(ctx: Context) -> Iterator[Seen]:
    if gone := ctx.ended(ObjectState.GONE):
        yield (
            f"{len(gone)} of {len(ctx.expected)} objects were deleted between listing and reading; their records are "
            f"not in the table. Check the bucket's lifecycle rules and delete permissions",
            ctx.key(gone[0]),
        )


def _changed(ctx: Context) -> Iterator[Seen]:
    if changed := ctx.ended(ObjectState.CHANGED):
        yield (
            f"{len(changed)} of {len(ctx.expected)} objects were rewritten between listing and reading. No action "
            f"needed: the next run loads the new version",
            ctx.key(changed[0]),
        )


def _contradicting(ctx: Context) -> Iterator[Seen]:
    for region in sorted({item.region or "" for item in ctx.expected} - {ctx.partition.region, UNKNOWN_REGION}):
        moved = [item for item in ctx.expected if item.region == region]
        vpcs = sorted({item.scope for item in moved})
        more = f" and {len(vpcs) - _MOST_NAMED} more" if len(vpcs) > _MOST_NAMED else ""
        yield (
            f"{len(moved)} of {len(ctx.expected)} objects name {ctx.partition.region}, but earlier records of their "
            f"VPC ({', '.join(vpcs[:_MOST_NAMED])}{more}) named {region}. They are published under the region that "
            f"their own records name. Find out which of them AWS did not write",
            moved[0].key,
        )


def _empty(ctx: Context) -> Iterator[Seen]:
    empty, limit = ctx.ended(ObjectState.EMPTY), ctx.limits.max_empty_objects_share
    if len(ctx.expected) >= ctx.limits.min_objects and len(empty) > len(ctx.expected) * limit:
        yield (
            f"{len(empty)} of {len(ctx.expected)} objects hold no record, more than {percent(limit)}. Inspect the "
            f"delivered objects",
            ctx.key(empty[0]),
        )


def _copied(ctx: Context) -> Iterator[Seen]:
    rows = {outcome.identity: outcome.rows for outcome in ctx.outcomes}
    first: dict[tuple[str, int], str] = {}
    copies = []
    for item in ctx.expected:
        # Objects without rows, such as placeholders, may well be equal.
        if rows.get(item.identity):
            original = first.setdefault((item.etag, item.size), item.key)
            if original != item.key:
                copies.append((original, item.key))
    if copies:
        yield (
            f"{len(copies)} of {len(ctx.expected)} objects have the same content as another, so their records are in "
            f"the table twice. Delete the copies, then reload the partition; the first original is {copies[0][0]}",
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
        why="Publishing without them would make an incomplete partition look complete.",
        action="A stage task failed or was killed. Open its log, fix the cause, then clear the task.",
    ),
    Check(
        "failed_objects",
        Severity.ERROR,
        _failed,
        expects="Every object could be read.",
        why="A denied, throttled or interrupted read is no evidence about the object's content.",
        action="The message names the cause: usually a missing `s3:GetObject` or `kms:Decrypt`, or an object in an "
        "archive class. Fix it and rerun the partition; throttling ends without action.",
    ),
    Check(
        "repeated_row_ids",
        Severity.ERROR,
        _repeated_ids,
        expects="Row ids are unique.",
        why="Unique row ids make a repeated load equal to a single one.",
        action="Rerun the partition. Bad data cannot cause it; if it happens again, report a bug.",
    ),
    Check(
        "lost_records",
        Severity.ERROR,
        _lost,
        expects="The numbers of staged and quarantined records equal those in the objects.",
        why="No record may be lost between parser and table.",
        action="Rerun the partition. Bad data cannot cause it; if it happens again, report a bug.",
    ),
    Check(
        "mostly_refused",
        Severity.ERROR,
        _mostly_refused,
        threshold=("max_refused_objects_share", "min_objects"),
        expects="Most objects are valid logs of the kind that their prefix names.",
        why="If most are not, something upstream changed for all of them: format, compression, encryption.",
        action="Inspect one refused object in the quarantine, and the changes in the account that day. After the fix, "
        "reload the partition.",
    ),
    Check(
        "refused_objects",
        Severity.WARNING,
        _refused,
        expects="No object is refused whole.",
        why="All records of such an object are missing from the table.",
        action="See the reason code. Damaged: upload it again. Foreign: move it out of the prefix.",
    ),
    Check(
        "other_logs",
        Severity.INFO,
        _other_logs,
        expects="The prefix holds only this log.",
        why="Transit gateway flow logs share the prefix of VPC flow logs; they are another log, with other columns.",
        action="None.",
    ),
    Check(
        "gone_objects",
        Severity.WARNING,
        _gone,
        expects="Listed objects still exist when they are read.",
        why="Their records are lost unless the bucket keeps versions.",
        action="Check for lifecycle rules that expire objects within the lookback, and for delete permissions.",
    ),
    Check(
        "changed_objects",
        Severity.INFO,
        _changed,
        expects="AWS writes an object once.",
        why="Another program rewrites objects. The next run loads the new version in place of the old one.",
        action="None tonight. Find the program that writes to the bucket.",
    ),
    Check(
        "contradicting_regions",
        Severity.WARNING,
        _contradicting,
        expects="All records of a VPC name one region.",
        why="A VPC cannot move. One of the regions comes from a record that AWS did not write.",
        action="Compare with the region that the account's console shows, and find the program that wrote the other "
        "objects. If the wrong region was learned first, delete the VPC's row from the ledger's table `scopes`.",
    ),
    Check(
        "empty_objects",
        Severity.WARNING,
        _empty,
        threshold=("max_empty_objects_share", "min_objects"),
        expects="Most objects hold records.",
        why="AWS writes no file when there is nothing to log.",
        action="Inspect one of them: is it from AWS, or a placeholder of another tool?",
    ),
    Check(
        "copied_objects",
        Severity.WARNING,
        _copied,
        expects="No two objects have the same ETag and size.",
        why="The records of a copy are in the table twice, so counts and sums are wrong. Manual copies and "
        "replication rules cause this; AWS's delivery does not.",
        action="Delete the copies (or narrow the source's prefix), then reload the partition.",
    ),
)
