"""Checks of records: refused, repeated, incomplete, at the wrong time or place, or unknown."""

from __future__ import annotations

from collections.abc import Iterator

from vpclogs.audits.check import Check, Seen, percent
from vpclogs.audits.context import Context
from vpclogs.findings import Severity
from vpclogs.profile.counter import NameCounter

__all__ = ["RECORD_CHECKS"]

# AWS redelivers within days; beyond a month a clock or a unit is wrong.
_MISDATED_HOURS = 24 * 31


def _quarantined(ctx: Context) -> Iterator[Seen]:
    limit, refused = ctx.limits.max_quarantined_share, ctx.seen.refused
    if ctx.enough_records and refused > ctx.records * limit:
        yield (
            f"{refused} of {ctx.records} records ({percent(refused / ctx.records)}) were refused, more than "
            f"{percent(limit)}: {ctx.seen.reasons}. Inspect them in the quarantine; raise "
            f"audit.max_quarantined_share if they may stay there",
            ctx.seen.reasons.example,
        )


def _nothing_loaded(ctx: Context) -> Iterator[Seen]:
    if ctx.seen.refused and not ctx.seen.rows and not ctx.enough_records:
        yield (
            f"all {ctx.seen.refused} records were refused: {ctx.seen.reasons}. Inspect them in the quarantine",
            ctx.seen.reasons.example,
        )


def _repeated(ctx: Context) -> Iterator[Seen]:
    repeats, limit = ctx.seen.sample.repeats(), ctx.limits.max_repeated_share
    if repeats.compared < ctx.limits.min_records or repeats.share <= limit or repeats.objects is None:
        return
    first, second = (ctx.find(begin) for begin in repeats.objects)
    scopes = {item.scope for item in (first, second) if item}
    cause = f"{' and '.join(sorted(scopes))} log the same traffic" if len(scopes) > 1 else "they were delivered twice"
    yield (
        f"about {percent(repeats.share)} of the records are in two objects ({repeats.repeated} of {repeats.compared} "
        f"compared), more than {percent(limit)}: {cause}. The other object is "
        f"{first.key if first else 'not in this run'}",
        second.key if second else None,
    )


def _nulls(ctx: Context) -> Iterator[Seen]:
    limit = ctx.limits.max_null_share
    for column, entry in sorted(ctx.seen.nulls.names.items()):
        due = ctx.seen.due.of(column)
        if due >= ctx.limits.min_records and entry.count > due * limit:
            yield (
                f"{entry.count} of {due} records ({percent(entry.count / due)}) have no {column}, more than "
                f"{percent(limit)}. Compare the example with an older object",
                entry.example,
            )


def _hours(ctx: Context, low: int, high: int) -> NameCounter:
    """Return events whose hour, counted from the start of the day, is in [low, high)."""
    found = NameCounter()
    for hour, entry in ctx.seen.off_hours.names.items():
        # Not a number: the hours that were counted as others.
        if hour.lstrip("-").isdigit() and low <= int(hour) < high:
            found.add(hour, entry.count, entry.example)
    return found


def _late(ctx: Context) -> Iterator[Seen]:
    hours, limit = ctx.limits.max_event_age_hours, ctx.limits.max_off_day_share
    found = _hours(ctx, -_MISDATED_HOURS, -hours)
    if ctx.enough_records and found.total > ctx.records * limit:
        yield (
            f"{found.total} of {ctx.records} records are from more than {hours} hours before {ctx.partition.day}, "
            f"more than {percent(limit)}. Nothing is lost; totals by event time of earlier days change",
            found.example,
        )


def _early(ctx: Context) -> Iterator[Seen]:
    hours, limit = ctx.limits.max_event_ahead_hours, ctx.limits.max_off_day_share
    found = _hours(ctx, 24 + hours, 24 + _MISDATED_HOURS)
    if ctx.enough_records and found.total > ctx.records * limit:
        yield (
            f"{found.total} of {ctx.records} records are from more than {hours} hours after {ctx.partition.day}, "
            f"although delivery follows the event. Find the program that wrote these objects",
            found.example,
        )


def _misdated(ctx: Context) -> Iterator[Seen]:
    limit = ctx.limits.max_misdated_share
    before, after = _hours(ctx, -(10**6), -_MISDATED_HOURS), _hours(ctx, 24 + _MISDATED_HOURS, 10**6)
    wrong = before.total + after.total
    if ctx.enough_records and wrong > ctx.records * limit:
        yield (
            f"{wrong} of {ctx.records} events are more than a month away from the path's day ({before.total} before, "
            f"{after.total} after). Their times are wrong, or the objects are under the wrong day",
            before.example or after.example,
        )


def _foreign_accounts(ctx: Context) -> Iterator[Seen]:
    if ctx.seen.accounts:
        yield (
            f"{ctx.seen.accounts.total} of {ctx.records} records name {ctx.seen.accounts}, but the path names "
            f"account {ctx.partition.account}. They are published under the path's account; no action needed if that "
            f"account shares its VPCs",
            ctx.seen.accounts.example,
        )


def _foreign_regions(ctx: Context) -> Iterator[Seen]:
    limit, found = ctx.limits.max_foreign_region_share, ctx.seen.reasons.names.get("foreign_region")
    if found and found.count > ctx.records * limit:
        yield (
            f"{found.count} of {ctx.records} records ({percent(found.count / ctx.records)}) name another region than "
            f"their object and were refused, more than {percent(limit)}. Objects were joined, or are under a wrong "
            f"prefix",
            found.example,
        )


def _versions(ctx: Context) -> Iterator[Seen]:
    for version, entry in sorted(ctx.seen.versions.names.items()):
        if version not in ctx.expect.versions:
            yield (
                f"{entry.count} of {len(ctx.expected)} objects have format version {version}; known versions are "
                f"{', '.join(sorted(ctx.expect.versions, key=_as_number))}. New fields are kept in p_extra; "
                f"check for a newer vpclogs",
                entry.example,
            )


def _unknown_fields(ctx: Context) -> Iterator[Seen]:
    if ctx.seen.unknown_fields:
        yield (
            f"fields that the schema does not have, with the number of objects: {ctx.seen.unknown_fields}. They are "
            f"kept in p_extra; check for a newer vpclogs",
            ctx.seen.unknown_fields.example,
        )


def _unknown_values(ctx: Context) -> Iterator[Seen]:
    if ctx.seen.unknown_values:
        yield (
            f"values that AWS does not document, with the number of records: {ctx.seen.unknown_values}. They are "
            f"loaded unchanged; queries that list values miss them",
            ctx.seen.unknown_values.example,
        )


def _skipped(ctx: Context) -> Iterator[Seen]:
    limit, entry = ctx.limits.max_skipdata_share, ctx.seen.statuses.names.get("SKIPDATA")
    if entry and ctx.enough_records and entry.count > ctx.seen.rows * limit:
        yield (
            f"{entry.count} of {ctx.seen.rows} records are SKIPDATA, more than {percent(limit)}: AWS could not record "
            f"all traffic, and cannot deliver it later. Counts of this day are too low",
            entry.example,
        )


def _as_number(version: str) -> float:
    return float(version)


RECORD_CHECKS = (
    Check(
        "quarantined_share",
        Severity.ERROR,
        _quarantined,
        threshold=("max_quarantined_share", "min_records"),
        expects="Few records are refused.",
        why="AWS writes records that fit the schema; when many do not, the format changed or the data is damaged.",
        action="Inspect the reasons and a raw record in the quarantine. If they may stay there, raise the threshold "
        "for this source and rerun; if the schema is wrong, report it and replay the quarantine after the upgrade.",
    ),
    Check(
        "nothing_loaded",
        Severity.WARNING,
        _nothing_loaded,
        threshold=("min_records",),
        expects="A partition too small to judge by a share still has a good record.",
        why="A few records, all refused, deserve attention but should not block the partition.",
        action="Inspect the records in the quarantine.",
    ),
    Check(
        "repeated_records",
        Severity.WARNING,
        _repeated,
        threshold=("max_repeated_share", "min_records"),
        expects="A record is in one object only.",
        why="Sums over traffic count it twice. Usually two flow logs cover the same interface (VPC and subnet), "
        "or objects were copied. Measured on all records up to 1,024, on a sample above.",
        action="Not urgent. If two flow logs are named, delete one of them or query one only (by p_source_key).",
    ),
    Check(
        "null_values",
        Severity.WARNING,
        _nulls,
        threshold=("max_null_share", "min_records"),
        expects="Fields that always have a value have one; NODATA and SKIPDATA records, and files whose header lacks "
        "the field, are not counted.",
        why="A sudden lack of values means that the format or the parser changed.",
        action="Compare the example object with one of the day before.",
    ),
    Check(
        "late_events",
        Severity.WARNING,
        _late,
        threshold=("max_event_age_hours", "max_off_day_share", "min_records"),
        expects="Events are of the path's day or shortly before. Flow records that began before midnight are normal.",
        why="A partition's day is the path's, the day of delivery: much older events belong to days already reported.",
        action="Nothing is lost. Inform the owners of reports by event day, and check for an AWS delivery problem.",
    ),
    Check(
        "early_events",
        Severity.WARNING,
        _early,
        threshold=("max_event_ahead_hours", "max_off_day_share", "min_records"),
        expects="No event is after the path's day.",
        why="AWS delivers after the event, so another program wrote or moved these objects.",
        action="Find the program that wrote the example object.",
    ),
    Check(
        "misdated_events",
        Severity.ERROR,
        _misdated,
        threshold=("max_misdated_share", "min_records"),
        expects="Events are within a month of the path's day.",
        why="These times are wrong; publishing them would break every query by time.",
        action="Inspect a raw line of the example: a unit (ms for s) or a clock is wrong. Report it.",
    ),
    Check(
        "foreign_accounts",
        Severity.INFO,
        _foreign_accounts,
        expects="The records' account is the path's.",
        why="With shared VPCs and shared query log configurations another account is normal; otherwise objects were "
        "copied to a wrong prefix.",
        action="None if the accounts share VPCs. Set the check to `off` for a source where this is normal.",
    ),
    Check(
        "foreign_regions",
        Severity.ERROR,
        _foreign_regions,
        threshold=("max_foreign_region_share",),
        expects="All records of an object name one region: in a DNS object that of its first record, in a flow log "
        "object that of its key.",
        why="AWS writes an object for one VPC or one region. Records that name another region go to the quarantine, so "
        "no row is published under a wrong region.",
        action="Inspect the example object. Find the program that joins objects or writes to the prefix; restore AWS's "
        "object, then reload.",
    ),
    Check(
        "unknown_versions",
        Severity.WARNING,
        _versions,
        expects="This release knows the format's version.",
        why="AWS adds fields with a new version. Nothing is lost: they are in p_extra.",
        action="None tonight. Upgrade vpclogs.",
    ),
    Check(
        "unknown_fields",
        Severity.INFO,
        _unknown_fields,
        expects="The schema has all fields.",
        why="AWS adds fields. They are kept in p_extra, but have no column.",
        action="None tonight. Upgrade vpclogs.",
    ),
    Check(
        "unknown_values",
        Severity.INFO,
        _unknown_values,
        expects="Fields with documented values have one of them.",
        why="AWS adds values; rules that list them would miss the new one.",
        action="None tonight. Check your queries for lists of that field's values.",
    ),
    Check(
        "skipdata_share",
        Severity.WARNING,
        _skipped,
        threshold=("max_skipdata_share", "min_records"),
        expects="AWS skips few records.",
        why="A SKIPDATA record stands for traffic that AWS could not log and cannot deliver later.",
        action="It cannot be repaired. Note the gap wherever the day's totals are used.",
    ),
)
