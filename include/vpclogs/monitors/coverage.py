"""Accounts and VPCs whose logs arrive in a source's bucket, and that no source reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

from vpclogs.config.sources import AccountFilter, Source
from vpclogs.monitors.entities import Entity
from vpclogs.monitors.monitor import Observation
from vpclogs.monitors.snapshot import Snapshot, Uncovered
from vpclogs.objects import LogObject
from vpclogs.s3.listing import discover

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["find_uncovered", "uncovered_accounts", "uncovered_regions", "unread_folders"]

_EXAMPLES = 5  # VPCs that one message names


def find_uncovered(
    sources: Sequence[Source], days: Sequence[date], *, client_for: Callable[[Source], S3Client], threads: int
) -> list[Uncovered]:
    """Return accounts that no source reads, from the objects of the days. An account that a source denies is known.

    It costs one listing per bucket and prefix, and some for each account that is found.

    Raises:
        VpcLogsError: the client of a source cannot be made.
    """
    together: defaultdict[tuple[str, str, str], list[Source]] = defaultdict(list)
    for source in sources:
        together[source.bucket, source.prefix, source.log_type].append(source)
    found: list[Uncovered] = []
    for sharing in together.values():
        # A source that reads all accounts but the denied ones leaves none uncovered.
        if all(source.accounts.allow is not None for source in sharing):
            first = sharing[0]
            known = {account for source in sharing for account in source.account_list or ()}
            others = first.model_copy(update={"accounts": AccountFilter(deny=tuple(sorted(known)))})
            listing = discover(client_for(first), others, days, threads=threads)
            found += _by_account(first, listing.objects)
    return found


def uncovered_accounts(snapshot: Snapshot) -> Iterator[Observation]:
    """One for each account."""
    for one in snapshot.uncovered:
        source = snapshot.sources[one.source]
        yield Observation(
            Entity(source.log_type, source.name, one.account),
            f"{source.log_type} of account {one.account} is in s3://{source.bucket}/{source.prefix} and no source "
            f"reads it: {one.objects} objects of {one.bytes:,} bytes in the last days; add the account to "
            f"`accounts` of the source {source.name}, or list all and deny this one",
            example=one.example,
        )


def uncovered_regions(snapshot: Snapshot) -> Iterator[Observation]:
    """One for each source and region that it does not list. A region that a source denies is known."""
    together: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in snapshot.left_out:
        if snapshot.sources[one.source].regions.allow is not None:
            together[one.source, one.region].append(f"{one.scope} of account {one.account}")
    for (source, region), names in sorted(together.items()):
        more = f" and {len(names) - _EXAMPLES} more" if len(names) > _EXAMPLES else ""
        yield Observation(
            Entity(snapshot.sources[source].log_type, source, region=region),
            f"{len(names)} VPCs are in {region}, which the `regions` of the source {source} do not have, so their "
            f"query logs are not listed: {', '.join(names[:_EXAMPLES])}{more}; add the region, or "
            f"list all and deny this one",
        )


def unread_folders(snapshot: Snapshot) -> Iterator[Observation]:
    """Return one for each source whose newest listing found folders that no layout has."""
    newest = [looks[-1] for looks in snapshot.looks.values() if looks]
    for one in (one for look in newest for one in look.unread):
        if one.source in snapshot.sources:
            entity = Entity(snapshot.sources[one.source].log_type, one.source)
            yield Observation(
                entity, f"{entity.label}: not understood, so nothing below is loaded: {one.label}", example=one.names[0]
            )


def _by_account(source: Source, objects: Sequence[LogObject]) -> Iterator[Uncovered]:
    accounts: defaultdict[str, list[LogObject]] = defaultdict(list)
    for item in objects:
        accounts[item.account].append(item)
    for account, items in sorted(accounts.items()):
        yield Uncovered(source.name, account, len(items), sum(item.size for item in items), items[0].key)
