"""List the objects of given days, and nothing else.

Accounts, regions and VPCs are found by delimiter, then the prefix of each day is
computed: the number of requests follows accounts, VPCs and days, never the age of
the bucket. A folder that cannot be listed becomes a `ListingFailure` and stops no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from vpclogs.manifests import ListingFailure
from vpclogs.object_keys import (
    ROOT,
    AccountFolder,
    Placed,
    ScopeFolder,
    account_folders,
    holds_account,
    is_organization,
    is_other_log,
    parse_key,
    read_account_folder,
    read_scope_folder,
)
from vpclogs.objects import LogObject
from vpclogs.partitions import UNKNOWN_REGION, LogType
from vpclogs.s3.errors import S3RequestError, patiently
from vpclogs.s3.left_out import LeftOut
from vpclogs.s3.listing_result import Listing
from vpclogs.unread import FolderTally

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, ObjectTypeDef

    from vpclogs.config.sources import Source

__all__ = ["discover"]

_ARCHIVES = {"GLACIER", "DEEP_ARCHIVE"}  # GLACIER_IR can be read at once


@dataclass(slots=True)
class _Visit:
    """The result of one step of the walk."""

    next: list[_Step] = field(default_factory=list)
    objects: list[LogObject] = field(default_factory=list)
    failures: list[ListingFailure] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    unread: FolderTally = field(default_factory=FolderTally)
    organizations: list[str] = field(default_factory=list)
    accounts: set[str] = field(default_factory=set)
    regions: set[str] = field(default_factory=set)
    saw_all_accounts: bool = True
    requests: int = 0


@dataclass(frozen=True, slots=True)
class _Step:
    """A folder to visit, and the failure to report if it cannot be listed."""

    visit: Callable[[_Visit], None]
    account: str | None = None
    region: str | None = None
    day: date | None = None


def discover(
    client: S3Client,
    source: Source,
    days: Sequence[date],
    *,
    account_days: Mapping[str, Sequence[date]] | None = None,
    account: str | None = None,
    region: str | None = None,
    known_scopes: Mapping[tuple[str, str], str] | None = None,
    threads: int = 16,
    sleep: Callable[[float], None] = time.sleep,
) -> Listing:
    """List the objects that ``source`` has under the given path days, and under further days of single accounts.

    ``account`` and ``region`` narrow it to one of each. ``known_scopes`` maps pairs of
    account and VPC id to regions: DNS objects of these VPCs get the region, and are not
    listed if it is not wanted; other DNS objects are listed with region None. A key that
    fits no layout becomes an object with problem ``key_layout``.
    """
    known = {place: name for place, name in (known_scopes or {}).items() if name != UNKNOWN_REGION}
    walk = _Walk(client, source, frozenset(days), account_days or {}, account, region, known, sleep)
    # Steps come from one queue in any order, so that a slow account does not hold up the others.
    total, results, running = _Visit(), SimpleQueue[Future[_Visit]](), 0
    pool = ThreadPoolExecutor(threads, thread_name_prefix="list")
    try:
        total.next = [_Step(walk.root)]
        while total.next or running:
            for step in total.next:
                # Only this thread adds up results, so no step needs a lock.
                pool.submit(_attempt, step, source.name).add_done_callback(results.put)
            running += len(total.next)
            visit = results.get().result()
            running -= 1
            total.next = visit.next
            total.objects += visit.objects
            total.failures += visit.failures
            total.left_out += visit.left_out
            total.unread.join(visit.unread)
            total.organizations += visit.organizations
            total.accounts |= visit.accounts
            total.regions |= visit.regions
            total.saw_all_accounts &= visit.saw_all_accounts
            total.requests += visit.requests
    finally:
        pool.shutdown(cancel_futures=True)
    failures = sorted(total.failures, key=lambda f: (f.account or "", f.region or "", f.day or "", f.detail))
    return Listing(
        # Servers differ in the order of their listings (UTF-8 bytes at AWS, by folder elsewhere).
        objects=tuple(sorted(total.objects, key=lambda o: o.key)),
        failures=tuple(failures),
        requests=total.requests,
        left_out=tuple(sorted(total.left_out)),
        unread=total.unread.of(source.name),
        organizations=tuple(sorted(total.organizations)),
        accounts=frozenset(total.accounts) if total.saw_all_accounts else None,
        regions=frozenset(total.regions),
    )


def _attempt(step: _Step, source: str) -> _Visit:
    visit = _Visit()
    try:
        step.visit(visit)
    except S3RequestError as error:
        # What the step had found so far is dropped: a partial listing must not pass for a whole one.
        lost = ListingFailure(
            source=source,
            account=step.account,
            region=step.region,
            reason=error.reason,
            detail=error.detail,
            transient=error.transient,
            day=step.day.isoformat() if step.day else None,
        )
        return _Visit(failures=[lost], requests=visit.requests, saw_all_accounts=step.account is not None)
    return visit


@dataclass(frozen=True, slots=True)
class _Walk:
    client: S3Client
    source: Source
    days: frozenset[date]
    account_days: Mapping[str, Sequence[date]]
    account: str | None
    region: str | None
    known_scopes: Mapping[tuple[str, str], str]
    sleep: Callable[[float], None]

    def root(self, visit: _Visit) -> None:
        """Organizations and accounts; if they may not be listed, those that we know by name."""
        parent = self.source.prefix + ROOT
        try:
            folders = list(self._folders(parent, visit))
        except S3RequestError as error:
            # A policy may allow the accounts' folders only; accounts that the settings name are read without the list.
            if error.reason != "denied" or (self._known_accounts is None and self.source.organization is None):
                raise
            self._add_known_accounts(parent, visit)
            folders = [f"{self.source.organization}/"] if self.source.organization else []
        self._add_accounts(parent, (name for name in folders if not is_organization(name)), visit)
        for name in filter(is_organization, folders):
            visit.organizations.append(name.rstrip("/"))
            if self.source.covers_organization(name.rstrip("/")):
                visit.next.append(_Step(partial(self.organization, parent + name)))

    def organization(self, parent: str, visit: _Visit) -> None:
        """The accounts of one organization."""
        try:
            folders = list(self._folders(parent, visit))
        except S3RequestError as error:
            if error.reason != "denied" or self._known_accounts is None:
                raise
            self._add_known_accounts(parent, visit)
            return
        self._add_accounts(parent, folders, visit)

    def logs(self, folder: AccountFolder, visit: _Visit) -> None:
        """The folders of one account: that of the log, if it is there, and those that no log of AWS has."""
        try:
            names = list(self._folders(folder.parent, visit))
        except S3RequestError as error:
            if error.reason != "denied":
                raise
            names = [folder.path.removeprefix(folder.parent)]  # a reader of this log alone
        for name in names:
            if folder.parent + name == folder.path:
                visit.next.append(_Step(partial(self.scopes, folder), folder.account))
            # CloudTrail, Config and the like share the bucket in peace; an unknown name may be a log that we miss.
            elif not is_other_log(name):
                visit.unread.add(folder.parent + name)

    def scopes(self, parent: AccountFolder, visit: _Visit) -> None:
        """The VPCs or regions of one account, and under each the wanted days."""
        for name in self._folders(parent.path, visit):
            folder = read_scope_folder(parent, name, self.source.log_type)
            # Neither a region nor a VPC that we can read: counted and named, never skipped in silence.
            if folder is None or not (folder.region or folder.vpc):
                visit.unread.add(parent.path + name)
            if folder is None:
                continue
            if folder.region:
                visit.regions.add(folder.region)
            region = folder.region or self.known_scopes.get((folder.account, folder.vpc))
            if region is not None and not self.source.covers_region(region):
                visit.left_out.append(LeftOut(self.source.name, folder.account, region, folder.vpc))
            # The region of a VPC that is new is read from its records, after the listing.
            elif region is None or self.region in (None, region):
                for day in sorted(self.days.union(self.account_days.get(folder.account, ()))):
                    visit.next.append(_Step(partial(self.objects, folder, region, day), folder.account, region, day))

    def objects(self, folder: ScopeFolder, region: str | None, day: date, visit: _Visit) -> None:
        """The objects of one VPC or region of one account on one day."""
        for page in self._pages(visit, Prefix=folder.day_prefix(day)):
            for entry in page.get("Contents", []):
                if entry["Size"] > 0 or not entry["Key"].endswith("/"):  # consoles make empty "folders"
                    visit.objects.append(self._object(entry, folder, region, day))

    @property
    def _known_accounts(self) -> Sequence[str] | None:
        return [self.account] if self.account else self.source.account_list

    def _add_known_accounts(self, parent: str, visit: _Visit) -> None:
        visit.saw_all_accounts = False
        for account in self._known_accounts or ():
            for folder in account_folders(parent, account, self.source.log_type):
                self._add_account(folder, visit)

    def _add_accounts(self, parent: str, names: Iterable[str], visit: _Visit) -> None:
        for name in names:
            folder = read_account_folder(parent, name, self.source.log_type)
            if folder is not None:
                visit.accounts.add(folder.account)
                self._add_account(folder, visit)
            elif not holds_account(name):
                visit.unread.add(parent + name)

    def _add_account(self, folder: AccountFolder, visit: _Visit) -> None:
        if self.source.covers_account(folder.account) and self.account in (None, folder.account):
            visit.next.append(_Step(partial(self.logs, folder), folder.account))

    def _object(self, entry: ObjectTypeDef, folder: ScopeFolder, region: str | None, day: date) -> LogObject:
        placed = parse_key(entry["Key"], self.source.prefix, self.source.log_type)
        archived = entry.get("StorageClass") in _ARCHIVES and "RestoreExpiryDate" not in entry.get("RestoreStatus", {})
        if isinstance(placed, Placed):
            scope, problem = placed.scope, "archived" if archived else None
        else:
            # It becomes a quarantine row, so that a foreign object under the prefix is seen.
            scope, problem = folder.vpc, "key_layout"
        return LogObject(
            source=self.source.name,
            log_type=LogType(self.source.log_type),
            bucket=self.source.bucket,
            key=entry["Key"],
            etag=entry["ETag"].strip('"'),
            size=entry["Size"],
            last_modified=entry["LastModified"].astimezone(UTC),
            account=folder.account,
            region=region,
            day=day,
            scope=scope,
            problem=problem,
        )

    def _folders(self, parent: str, visit: _Visit) -> Iterator[str]:
        for page in self._pages(visit, Prefix=parent, Delimiter="/"):
            for folder in page.get("CommonPrefixes", []):
                yield folder["Prefix"].removeprefix(parent)

    def _pages(self, visit: _Visit, **request: Any) -> Iterator[ListObjectsV2OutputTypeDef]:
        # No EncodingType here: botocore then asks for url encoding and decodes the keys itself.
        if self.source.requester_pays:
            request["RequestPayer"] = "requester"
        if "Delimiter" not in request:
            # Tells an archived object that was restored from one that cannot be read.
            request["OptionalObjectAttributes"] = ["RestoreStatus"]
        where = f"s3://{self.source.bucket}/{request['Prefix']}"
        while True:
            call = partial(self.client.list_objects_v2, Bucket=self.source.bucket, **request)
            visit.requests += 1
            page = patiently(call, where, sleep=self.sleep)
            yield page
            if not page["IsTruncated"]:
                return
            request["ContinuationToken"] = page["NextContinuationToken"]
