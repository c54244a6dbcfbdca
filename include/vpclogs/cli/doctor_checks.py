"""The checks of `vpclogs doctor`. Each returns a sentence, or raises an error that says how to fix the problem."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError
from pyiceberg.exceptions import NoSuchNamespaceError
from pyiceberg.io import load_file_io
from sqlalchemy.exc import SQLAlchemyError

from vpclogs.cli.terminal import shortened_list
from vpclogs.config.filters import SeenNames, UnmatchedEntry, known_regions, unmatched_entries
from vpclogs.config.settings import Settings
from vpclogs.config.sources import Source
from vpclogs.deployment import utc_now
from vpclogs.errors import VpcLogsError
from vpclogs.ledger import Ledger
from vpclogs.ledger.database import Database
from vpclogs.object_keys import ROOT
from vpclogs.parsing import ObjectEnd, ObjectState, parse
from vpclogs.planning.survey import survey
from vpclogs.quantities import many
from vpclogs.reasons import REASONS
from vpclogs.s3.clients import client_for
from vpclogs.s3.errors import S3RequestError, diagnose, patiently
from vpclogs.s3.left_out import left_out_scopes
from vpclogs.s3.listing import discover
from vpclogs.s3.prefetch import fetch
from vpclogs.warehouse.tables import Warehouse

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from vpclogs.objects import LogObject

__all__ = ["CheckFailed", "SourceUnderTest", "catalog", "ledger", "staging"]

_SAMPLE_BYTES = 32 << 20


class CheckFailed(VpcLogsError):
    """Raised by a check that found something wrong."""


class SourceUnderTest:
    """The checks of one source, in order: each needs those before it."""

    def __init__(self, source: Source, settings: Settings) -> None:
        self._source = source
        self._settings = settings
        self._listed: Sequence[LogObject] = ()
        self._day = utc_now().date()
        self._seen_organizations: Sequence[str] = ()

    @property
    def _where(self) -> str:
        return f"s3://{self._source.bucket}/{self._source.prefix}{ROOT}"

    @cached_property
    def _client(self) -> S3Client:
        return client_for(self._source)

    def credentials(self) -> str:
        """Find the credentials, and assume the role if there is one."""
        source = self._source
        try:
            # Signing needs credentials and nothing else: no permission, no request but to STS.
            self._client.generate_presigned_url("head_bucket", Params={"Bucket": source.bucket})
        except (BotoCoreError, ClientError) as error:
            raise diagnose(error, self._where) from error
        if source.connection is not None:
            return f"of the Airflow connection {source.connection}"
        return f"of {source.role_arn or source.profile or 'the environment (boto3)'}"

    def listing(self) -> str:
        """List the newest day that has objects, of those an hourly run would list."""
        today = utc_now().date()
        for back in range(self._source.lookback_days + 1):
            day = today - timedelta(days=back)
            if self._list(day):
                return f"{many(len(self._listed), 'object')} on {day} under {self._where}"
        self._require_some_object()
        return f"nothing on the {self._source.lookback_days + 1} days to {today}, only before, under {self._where}"

    def one_object(self) -> str:
        """Read and parse the newest object of the listing."""
        readable = [item for item in self._listed if item.problem is None and 0 < item.size <= _SAMPLE_BYTES]
        if not readable:
            return "not checked, because there was no object to read"
        item = max(readable, key=lambda one: one.last_modified)
        inputs = fetch(self._client, [item], threads=1, requester_pays=self._source.requester_pays)
        for event in parse(item.log_type, inputs, limits=self._settings.limits.parsing):
            if isinstance(event, ObjectEnd):
                return _judged(event, item)
        raise AssertionError("a parse ends each object")

    def filters(self) -> str:
        """Return the entries of the lists that match nothing, and the VPCs that the list of regions leaves out.

        Raises:
            Ailment: an entry is no region of any AWS cloud, or no entry of a list matches.
        """
        ledger = Ledger(self._settings.ledger)
        threads = self._settings.limits.list_threads
        found = survey(
            [self._source], lambda _: [self._day], client_for=lambda _: self._client, ledger=ledger, threads=threads
        )
        seen = found.seen[self._source.name]
        wrong = list(unmatched_entries(self._source, seen))
        labels = shortened_list([one.label for one in wrong])
        left_out = {*found.left_out, *left_out_scopes(self._source, ledger.objects.known_scopes())}
        names = shortened_list([one.label for one in sorted(left_out)])
        rest = [f"left out by the source's list of regions: {names}"] if left_out else []
        if any(self._is_mistake(one, seen) for one in wrong):
            raise CheckFailed(f"these match nothing in S3: {labels}", *rest)
        lines = [f"these match nothing in S3 yet: {labels}", *rest] if wrong else rest
        return "; ".join(lines) or "all entries match, and the list of regions leaves out nothing that is known"

    def _is_mistake(self, one: UnmatchedEntry, seen: SeenNames) -> bool:
        """Return True if an entry cannot merely be waiting for its first logs."""
        if one.key == "regions" and one.entry not in known_regions():
            return True
        names = seen.regions if one.key == "regions" else seen.accounts or frozenset()
        allowed = (self._source.regions if one.key == "regions" else self._source.accounts).allow
        return bool(allowed and names and names.isdisjoint(allowed))

    @property
    def has_organizations(self) -> bool:
        """Return True if the listing found folders of organizations, or the settings name one."""
        return bool(self._seen_organizations or self._source.organization)

    def organizations(self) -> str:
        """Return the organizations whose folders the listing saw, and which of them the source reads."""
        seen, pinned = self._seen_organizations, self._source.organization
        if pinned and pinned not in seen:
            others = f"there is {shortened_list(seen)}" if seen else "there is no folder of an organization"
            raise CheckFailed(
                f"{pinned} has no folder under {self._where}, {others}: check `organization` in the settings"
            )
        if pinned is None:
            return f"read: {shortened_list(seen)}; any other is read too, unless `organization` names one"
        others = shortened_list([one for one in seen if one != pinned])
        return f"read: {pinned}; not read: {others or 'none'}"

    def _list(self, day: date) -> bool:
        threads = self._settings.limits.list_threads
        found = discover(self._client, self._source, [day], threads=threads)
        self._day = day
        self._seen_organizations = found.organizations
        if found.failures:
            raise CheckFailed(*(f"{f.account or 'all accounts'}: {f.detail}" for f in found.failures))
        self._listed = found.objects
        return bool(found.objects)

    def _require_some_object(self) -> None:
        options: dict[str, Any] = {"RequestPayer": "requester"} if self._source.requester_pays else {}
        prefix = f"{self._source.prefix}{ROOT}"
        call = partial(self._client.list_objects_v2, Bucket=self._source.bucket, Prefix=prefix, MaxKeys=1, **options)
        try:
            page = patiently(call, self._where, sleep=time.sleep)
        except S3RequestError:
            return  # a reader of chosen accounts may not list the folders above them
        if not page.get("KeyCount"):
            raise CheckFailed(
                f"there is nothing under {self._where}: check bucket and prefix (what comes before {ROOT}), and "
                f"whether AWS delivers there"
            )


def catalog(settings: Settings) -> str:
    """Ask the catalog for its tables."""
    warehouse = Warehouse(settings.catalog, namespace=settings.namespace)
    try:
        names = warehouse.names()
    except NoSuchNamespaceError:
        names = []
    return f"{settings.catalog.get('type', 'rest')}, tables in {settings.namespace}: {', '.join(names) or 'none yet'}"


def staging(settings: Settings) -> str:
    """Write a file where staged files will be, and remove it."""
    warehouse = Warehouse(settings.catalog, namespace=settings.namespace)
    try:
        names = warehouse.names()
    except NoSuchNamespaceError:
        names = []
    if names:
        table = warehouse.catalog.load_table((settings.namespace, names[0]))
        io, place = table.io, table.location()
    elif "://" in (place := settings.catalog.get("warehouse", "")):
        io = load_file_io(dict(warehouse.catalog.properties), place)
    else:
        return "not checked: the catalog chooses the place when the first load makes the tables"
    file = f"{place.rstrip('/')}/vpclogs-doctor-{uuid4().hex}"
    try:
        with io.new_output(file).create() as stream:
            stream.write(b"vpclogs doctor")
        io.delete(file)
    except ValueError as error:  # PyIceberg does not know the scheme of the URL
        raise CheckFailed(f"{place} cannot be written: {error}; correct `catalog.warehouse` in the settings") from error
    except OSError as error:
        raise CheckFailed(
            f"{place} cannot be written: {error}; grant write access to the user that runs loads"
        ) from error
    return f"{place} can be written"


def ledger(settings: Settings) -> str:
    """Open the ledger, bring it up to date, and take its write lock."""
    try:
        with Database(settings.ledger).write():
            pass
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        raise CheckFailed(
            f"{settings.ledger} cannot be used: {reason}; check `ledger` in the settings and the server"
        ) from error
    return f"{settings.ledger} can be written"  # the password is redacted where this is printed


def _judged(end: ObjectEnd, item: LogObject) -> str:
    name = f"s3://{item.bucket}/{item.key}"
    if end.state is not ObjectState.LOADED:
        action = REASONS[end.reason].action if end.reason and end.reason in REASONS else ""
        if end.state in (ObjectState.EMPTY, ObjectState.GONE, ObjectState.CHANGED):
            return f"{name} is {end.state}"
        raise CheckFailed(f"{name}: {end.reason}, {end.detail}. {action}")
    if end.refused and not end.rows:
        raise CheckFailed(
            f"all {end.refused} records of {name} are refused: `vpclogs parse --log-type {item.log_type} --rejects "
            f"rejects.ndjson {name}` shows why"
        )
    return f"{name}: {end.rows} rows, {end.refused} refused"
