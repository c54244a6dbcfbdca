"""Survey the sources: the objects in S3, and those of them that are not loaded yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from vpclogs.config.filters import SeenNames
from vpclogs.config.sources import Source
from vpclogs.errors import VpcLogsError
from vpclogs.ledger import Ledger
from vpclogs.listed_days import Listed, ListedDays, WantedDays
from vpclogs.manifests import ListingFailure
from vpclogs.objects import LogObject
from vpclogs.partitions import UNKNOWN_REGION, LogType
from vpclogs.s3.left_out import LeftOut
from vpclogs.s3.listing import discover
from vpclogs.s3.listing_result import Listing
from vpclogs.s3.prefetch import NamedRegion, learn_region
from vpclogs.unread import UnreadFolders

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Survey", "hourly_days", "look_back", "started", "survey"]

Kept = Callable[[Sequence[date]], list[date]]
"""Returns those of the days that retention keeps."""


@dataclass(frozen=True)
class Survey:
    """``listed`` counts all objects seen, ``objects`` are those to load, with their regions; ``requests``
    counts the pages listed. ``vanished`` are the ledger's ids of objects that waited to be loaded and that
    S3 no longer lists. ``last_day`` is the last day that was listed, unless only a part of it was.
    ``left_out`` are the places that the sources' lists of regions leave out, ``unread`` the folders
    that no layout has, ``seen`` the names of accounts and regions by source. ``days`` are the days listed
    by source, unless only a part of them was, and ``account_days`` further days that were listed for
    single accounts."""

    objects: tuple[LogObject, ...]
    failures: tuple[ListingFailure, ...]
    listed: int
    requests: int
    vanished: tuple[int, ...] = ()
    last_day: date | None = None
    left_out: tuple[LeftOut, ...] = ()
    unread: tuple[UnreadFolders, ...] = ()
    days: Mapping[str, list[date]] = field(default_factory=dict)
    account_days: Mapping[str, Mapping[str, Sequence[date]]] = field(default_factory=dict)
    seen: Mapping[str, SeenNames] = field(default_factory=dict)

    def coverage(self, at: datetime, *, hourly: bool) -> Listed:
        """Return the days that a listing begun at `at` covered, for `vpclogs.ledger.listings`."""
        accounts = {
            source: {one: list(days) for one, days in more.items()} for source, more in self.account_days.items()
        }
        return Listed(at, hourly, dict(self.days), accounts if self.days else {})

    def listed_until(self, now: datetime) -> datetime | None:
        """Return the time up to which all delivered objects were listed. `now` is the time of the listing."""
        if self.last_day is None:
            return None
        return min(now, datetime.combine(self.last_day, time(), UTC) + timedelta(days=1))


def look_back(last: date, source: Source) -> list[date]:
    """Return the days that an hourly run lists: the last one and the lookback days before it."""
    return started([last - timedelta(days=back) for back in range(source.lookback_days, -1, -1)], source)


def hourly_days(source: Source, last: date, listed: ListedDays, *, most: int, kept: Kept) -> WantedDays:
    """Return the days that an hourly run on `last` lists: those of the lookback, and up to `most` overdue ones.

    Overdue are the days of a pause before it, oldest first, and the days on which an account could not be listed.
    ``kept`` drops the days that are no longer kept.
    """
    overdue = listed.overdue(last, lookback_days=source.lookback_days)
    days = kept(started(overdue.days, source))[:most]
    accounts = {
        account: kept(started(missed, source))[:most]
        for account, missed in overdue.accounts.items()
        if source.covers_account(account)
    }
    return WantedDays([*days, *look_back(last, source)], {one: missed for one, missed in accounts.items() if missed})


def started(days: Sequence[date], source: Source) -> list[date]:
    """Those of the days that are not before the source's start day."""
    return [day for day in days if source.start_day is None or day >= source.start_day]


def survey(
    sources: Sequence[Source],
    days: Callable[[Source], Sequence[date]],
    *,
    client_for: Callable[[Source], S3Client],
    ledger: Ledger,
    threads: int,
    account: str | None = None,
    region: str | None = None,
    all_objects: bool = False,
    all_sources: bool = True,
    account_days: Mapping[str, Mapping[str, Sequence[date]]] | None = None,
) -> Survey:
    """List the sources. A source, account or day that cannot be listed is a failure and stops no other.

    ``account_days`` are further days of single accounts, by source and account.
    ``all_objects`` includes loaded objects. ``all_sources`` is True if there are no other sources.
    """
    objects: list[LogObject] = []
    failures: list[ListingFailure] = []
    vanished: list[int] = []
    left_out: set[LeftOut] = set()
    unread: list[UnreadFolders] = []
    seen_names: dict[str, SeenNames] = {}
    listed = requests = 0
    more = account_days or {}
    known = ledger.objects.known_scopes()
    for source in sources:
        try:
            client = client_for(source)
        except VpcLogsError as error:
            # A source without working credentials must not stop the others.
            failures.append(ListingFailure(source.name, None, None, "denied", str(error), error.transient))
            continue
        listing = discover(
            client,
            source,
            days(source),
            account_days=more.get(source.name),
            account=account,
            region=region,
            known_scopes=known,
            threads=threads,
        )
        failures += listing.failures
        # Only a complete listing proves that an object is gone.
        if not listing.failures:
            seen = {item.identity for item in listing.objects}
            waiting = ledger.objects.unsettled(source.name, days(source), account=account, region=region)
            vanished += [row.id for row in waiting if row.identity not in seen]
        requests += listing.requests
        unread += [listing.unread] if listing.unread else []
        found = _with_regions(listing.objects, client, ledger, requester_pays=source.requester_pays, threads=threads)
        seen_names[source.name] = _seen(listing, found, source, known)
        wanted = [o for o in found if source.covers_region(o.region or "") or o.region == UNKNOWN_REGION]
        # By VPC: one of its objects may be settled under another region from before.
        kept = {(o.account, o.scope) for o in wanted}
        left_out.update(listing.left_out)
        left_out.update(
            LeftOut(source.name, o.account, o.region or "", o.scope) for o in found if (o.account, o.scope) not in kept
        )
        wanted = [o for o in wanted if region in (None, o.region)]
        listed += len(wanted)
        # The ledger decides, not dates or names: late objects are found whenever they come.
        objects += wanted if all_objects else ledger.objects.new(wanted)
    whole = {source.name: list(days(source)) for source in sources} if account is None and region is None else {}
    return Survey(
        objects=tuple(objects),
        failures=tuple(failures),
        listed=listed,
        requests=requests,
        vanished=tuple(vanished),
        last_day=max((day for listed in whole.values() for day in listed), default=None) if all_sources else None,
        left_out=tuple(sorted(left_out)),
        unread=tuple(unread),
        days=whole,
        account_days=more,
        seen=seen_names,
    )


def _with_regions(
    listed: Sequence[LogObject], client: S3Client, ledger: Ledger, *, requester_pays: bool, threads: int
) -> list[LogObject]:
    """Return the objects with the regions of their VPCs, read from a record where they are not known yet.

    A VPC none of whose objects can be read has the region ``unknown`` until one can. A
    region is remembered only if the record names the folder's account: records of a VPC
    that another account shares are placed by their own records, and read again each time.
    """
    unplaced: defaultdict[tuple[str, str], list[LogObject]] = defaultdict(list)
    for item in listed:
        if item.region is None:
            unplaced[item.account, item.scope].append(item)
    regions = ledger.objects.regions(unplaced)
    # Each VPC once, not each object.
    strange = [place for place in unplaced if place not in regions]
    settled = ledger.objects.settled_regions(item.identity for place in strange for item in unplaced[place])

    def read(place: tuple[str, str]) -> NamedRegion | None:
        # newest first: it is the likeliest to be there still
        readable = [o for o in unplaced[place] if o.problem is None and o.identity not in settled]
        readable.sort(key=lambda o: o.last_modified, reverse=True)
        return learn_region(client, readable, requester_pays=requester_pays)

    # One GET per new VPC, mostly waiting for S3.
    with ThreadPoolExecutor(threads, thread_name_prefix="region") as pool:
        for place, named in zip(strange, pool.map(read, strange), strict=True):
            regions[place] = named.region if named else UNKNOWN_REGION
            if named and named.account == place[0]:
                ledger.objects.learn_region(*place, named.region, learned_from=named.key)
    return [
        replace(o, region=settled.get(o.identity) or regions[o.account, o.scope]) if o.region is None else o
        for o in listed
    ]


def _seen(
    listing: Listing, found: Sequence[LogObject], source: Source, known: Mapping[tuple[str, str], str]
) -> SeenNames:
    """Return the names that a listing found. Regions of DNS logs are those of their VPCs, from the ledger too."""
    regions = {o.region for o in found if o.region and o.region != UNKNOWN_REGION}
    if source.log_type is LogType.VPC_DNS:
        regions |= {region for (account, _), region in known.items() if source.covers_account(account)}
    return SeenNames(listing.accounts, listing.regions | regions)
