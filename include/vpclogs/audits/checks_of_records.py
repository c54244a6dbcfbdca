"""Checks of records: refused, repeated, incomplete, at the wrong time or place, or unknown."""

from __future__ import annotations

from collections.abc import Iterator

from vpclogs.audits.case import Case
from vpclogs.audits.check import Check, Seen, percent
from vpclogs.audits.finding import Severity
from vpclogs.audits.tally import Tally

__all__ = ["RECORD_CHECKS"]

_MISDATED_HOURS = 24 * 31


def _quarantined(case: Case) -> Iterator[Seen]:
    limit, refused = case.limits.max_quarantined_share, case.seen.refused
    if case.enough_records and refused > case.records * limit:
        yield (
            f"at most {percent(limit)} of the records may be refused, {refused} of {case.records} "
            f"({percent(refused / case.records)}) were: {case.seen.reasons}. Look at them in the quarantine; raise "
            f"audit.max_quarantined_share if they may stay out",
            case.seen.reasons.example,
        )


def _nothing_loaded(case: Case) -> Iterator[Seen]:
    if case.seen.refused and not case.seen.rows and not case.enough_records:
        yield (
            f"all {case.seen.refused} records were refused: {case.seen.reasons}. Look at them in the quarantine",
            case.seen.reasons.example,
        )


def _repeated(case: Case) -> Iterator[Seen]:
    repeats, limit = case.seen.sample.repeats(), case.limits.max_repeated_share
    if repeats.compared < case.limits.min_records or repeats.share <= limit or repeats.objects is None:
        return
    first, second = (case.find(begin) for begin in repeats.objects)
    scopes = {item.scope for item in (first, second) if item}
    cause = f"{' and '.join(sorted(scopes))} log the same traffic" if len(scopes) > 1 else "they were delivered twice"
    yield (
        f"at most {percent(limit)} of the records should be in two objects, about {percent(repeats.share)} are "
        f"({repeats.repeated} of the {repeats.compared} compared): {cause}. The other object is "
        f"{first.key if first else 'not in this run'}",
        second.key if second else None,
    )


def _nulls(case: Case) -> Iterator[Seen]:
    limit = case.limits.max_null_share
    for column, entry in sorted(case.seen.nulls.names.items()):
        due = case.seen.due.of(column)
        if due >= case.limits.min_records and entry.count > due * limit:
            yield (
                f"{column} should have a value, at most {percent(limit)} of the records may lack it; {entry.count} of "
                f"{due} ({percent(entry.count / due)}) do. Compare the example with an older object",
                entry.example,
            )


def _hours(case: Case, low: int, high: int) -> Tally:
    """Return events whose hour, counted from the start of the day, is in [low, high)."""
    found = Tally()
    for hour, entry in case.seen.off_hours.names.items():
        if hour.lstrip("-").isdigit() and low <= int(hour) < high:
            found.add(hour, entry.count, entry.example)
    return found


def _late(case: Case) -> Iterator[Seen]:
    hours, limit = case.limits.max_event_age_hours, case.limits.max_off_day_share
    found = _hours(case, -_MISDATED_HOURS, -hours)
    if case.enough_records and found.total > case.records * limit:
        yield (
            f"at most {percent(limit)} of the records should come more than {hours} hours late, {found.total} of "
            f"{case.records} do, and lie before {case.partition.day}. Nothing is lost; totals by event time of earlier "
            f"days change",
            found.example,
        )


def _early(case: Case) -> Iterator[Seen]:
    hours, limit = case.limits.max_event_ahead_hours, case.limits.max_off_day_share
    found = _hours(case, 24 + hours, 24 + _MISDATED_HOURS)
    if case.enough_records and found.total > case.records * limit:
        yield (
            f"a record is delivered after its event, {found.total} of {case.records} are of more than {hours} hours "
            f"after {case.partition.day}. Check who wrote these objects",
            found.example,
        )


def _misdated(case: Case) -> Iterator[Seen]:
    limit = case.limits.max_misdated_share
    before, after = _hours(case, -(10**6), -_MISDATED_HOURS), _hours(case, 24 + _MISDATED_HOURS, 10**6)
    wrong = before.total + after.total
    if case.enough_records and wrong > case.records * limit:
        yield (
            f"events lie within a month of the path's day, {wrong} of {case.records} do not ({before.total} before, "
            f"{after.total} after). Their times are wrong, or the objects lie under a wrong day",
            before.example or after.example,
        )


def _foreign_accounts(case: Case) -> Iterator[Seen]:
    if case.seen.accounts:
        yield (
            f"the path says account {case.partition.account}, {case.seen.accounts.total} of {case.records} records say "
            f"{case.seen.accounts}. They are published under the path's; nothing to do if that account shares its VPCs",
            case.seen.accounts.example,
        )


def _foreign_regions(case: Case) -> Iterator[Seen]:
    limit, found = case.limits.max_foreign_region_share, case.seen.regions
    if found.total > case.records * limit:
        yield (
            f"at most {percent(limit)} of the records may be of another region than {case.partition.region}, "
            f"{found.total} of {case.records} are: {found}. The objects lie under a wrong prefix, or this VPC's region "
            f"was learned from a wrong record",
            found.example,
        )


def _versions(case: Case) -> Iterator[Seen]:
    for version, entry in sorted(case.seen.versions.names.items()):
        if version not in case.expect.versions:
            yield (
                f"format versions up to now are {', '.join(sorted(case.expect.versions, key=_as_number))}; "
                f"{entry.count} of {len(case.expected)} objects have {version}. What is new in it is kept in p_extra; "
                f"look for a newer vpclogs",
                entry.example,
            )


def _unknown_fields(case: Case) -> Iterator[Seen]:
    if case.seen.unknown_fields:
        yield (
            f"the schema does not have these fields (and so many objects do): {case.seen.unknown_fields}. They are "
            f"kept in p_extra; look for a newer vpclogs",
            case.seen.unknown_fields.example,
        )


def _unknown_values(case: Case) -> Iterator[Seen]:
    if case.seen.unknown_values:
        yield (
            f"AWS does not document these values (and so many records have them): {case.seen.unknown_values}. They are "
            f"loaded as they are; queries that list values miss them",
            case.seen.unknown_values.example,
        )


def _skipped(case: Case) -> Iterator[Seen]:
    limit, entry = case.limits.max_skipdata_share, case.seen.statuses.names.get("SKIPDATA")
    if entry and case.enough_records and entry.count > case.seen.rows * limit:
        yield (
            f"at most {percent(limit)} of the records should say SKIPDATA, {entry.count} of {case.seen.rows} do: AWS "
            f"could not record all traffic then, and it cannot be fetched later. Counts of this day are too low",
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
        action="Look at the reasons and a raw record in the quarantine. When they may stay out, raise the threshold "
        "for this source and rerun; when the schema is wrong, report it and replay the quarantine after the upgrade.",
    ),
    Check(
        "nothing_loaded",
        Severity.WARNING,
        _nothing_loaded,
        threshold=("min_records",),
        expects="A partition too small to judge by a share still has a good record.",
        why="All of a few records refused is worth a look, but may not stop anybody.",
        action="Look at the records in the quarantine.",
    ),
    Check(
        "repeated_records",
        Severity.WARNING,
        _repeated,
        threshold=("max_repeated_share", "min_records"),
        expects="A record is in one object only.",
        why="Sums over traffic count it twice. Usually two flow logs cover the same interface (VPC and subnet), "
        "or somebody copied objects. Measured on all records up to 1,024, above on a sample.",
        action="Not urgent. If two flow logs are named, delete one of them or query one only (by p_source_key).",
    ),
    Check(
        "null_values",
        Severity.WARNING,
        _nulls,
        threshold=("max_null_share", "min_records"),
        expects="Fields that always have a value have one; NODATA and SKIPDATA records, and files whose header lacks "
        "the field, are not counted.",
        why="A sudden gap means that the format or the parser changed.",
        action="Compare the example object with one of the day before.",
    ),
    Check(
        "late_events",
        Severity.WARNING,
        _late,
        threshold=("max_event_age_hours", "max_off_day_share", "min_records"),
        expects="Events are of the path's day or shortly before. Flow records that began before midnight are normal.",
        why="A partition's day is the path's, the day of delivery: much older events belong to days already reported.",
        action="Nothing is lost. Tell those who report by event day, and see whether AWS had delivery trouble.",
    ),
    Check(
        "early_events",
        Severity.WARNING,
        _early,
        threshold=("max_event_ahead_hours", "max_off_day_share", "min_records"),
        expects="No event is after the path's day.",
        why="AWS delivers after the event, so somebody else wrote or moved these objects.",
        action="Find out who wrote the example object.",
    ),
    Check(
        "misdated_events",
        Severity.ERROR,
        _misdated,
        threshold=("max_misdated_share", "min_records"),
        expects="Events are within a month of the path's day.",
        why="Such times are broken; publishing them would spoil every query by time.",
        action="Look at a raw line of the example: a unit (ms for s) or a clock is wrong. Report it.",
    ),
    Check(
        "foreign_accounts",
        Severity.INFO,
        _foreign_accounts,
        expects="The records' account is the path's.",
        why="With shared VPCs and shared query log configurations another account is normal; otherwise objects were "
        "copied to a wrong prefix.",
        action="Nothing, if the accounts share VPCs. Set it to `off` for a source where it is normal.",
    ),
    Check(
        "foreign_regions",
        Severity.ERROR,
        _foreign_regions,
        threshold=("max_foreign_region_share",),
        expects="The records' region is the partition's.",
        why="Published, they would be found under a wrong region. For DNS it means that the region of a VPC was "
        "learned from a wrong record.",
        action="Look at the example object. Move it to its right prefix, or clear the VPC's region in the ledger; then "
        "reload.",
    ),
    Check(
        "unknown_versions",
        Severity.WARNING,
        _versions,
        expects="The format's version is one that this release knows.",
        why="AWS adds fields with a new version. Nothing is lost, they are in p_extra.",
        action="Nothing tonight. Upgrade vpclogs.",
    ),
    Check(
        "unknown_fields",
        Severity.INFO,
        _unknown_fields,
        expects="The schema knows all fields.",
        why="AWS adds fields. They are kept in p_extra, but have no column.",
        action="Nothing tonight. Upgrade vpclogs.",
    ),
    Check(
        "unknown_values",
        Severity.INFO,
        _unknown_values,
        expects="Fields with documented values have one of them.",
        why="AWS adds values; rules that list them would miss the new one.",
        action="Nothing tonight. Look whether your queries list the values of that field.",
    ),
    Check(
        "skipdata_share",
        Severity.WARNING,
        _skipped,
        threshold=("max_skipdata_share", "min_records"),
        expects="AWS skips little.",
        why="A SKIPDATA record stands for traffic that AWS could not log. Nobody can deliver it later.",
        action="Nothing can be mended. Note the gap where the day's totals are used.",
    ),
)
