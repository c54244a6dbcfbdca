"""A source: a bucket and prefix, the log that lies under it, and how to read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from vpclogs.identifiers import ACCOUNT, ORGANIZATION, REGION, is_account
from vpclogs.partitions import LogType

__all__ = ["AccountFilter", "RegionFilter", "Source", "matching", "parsable_url", "url_without_login"]


def matching(pattern: str, advice: str) -> AfterValidator:
    """Return a validator that requires the whole text to match, and fails with `advice`."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(advice)
        return value

    return AfterValidator(check)


def _parsable(url: str) -> str:
    """Refuse a URL whose host or port cannot be read: a library that opens it quotes it whole, password included."""
    if "://" in url and not url.startswith(("file:", "sqlite")):
        try:
            readable = _has_host(url) if url.startswith(("http:", "https:")) else _is_readable(url)
        except ValueError:
            readable = False
        if not readable:
            raise ValueError(
                "the host or port of this URL cannot be read: a port is a number up to 65535, and in a password "
                "/ is written %2F, @ %40, : %3A, ? %3F, # %23, [ %5B"
            )
    return url


def _has_host(url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port  # raises if it is no number
    return bool(parts.hostname) and parts.netloc.count("@") < 2 and (port is not None or not parts.netloc.endswith(":"))


def _is_readable(url: str) -> bool:
    from sqlalchemy import make_url  # slow to import, and settings without such a URL do without
    from sqlalchemy.exc import ArgumentError

    with suppress(ArgumentError):  # not a database URL: the library that opens it validates its own form
        return "@" not in (make_url(url).host or "")
    return True


def _without_login(url: str) -> str:
    if "@" in urlsplit(_parsable(url)).netloc:
        raise ValueError("this URL must not hold a login: remove what stands before the @")
    return url


parsable_url = AfterValidator(_parsable)
"""A validator for text that may be a URL."""

url_without_login = AfterValidator(_without_login)
"""A validator for the URL of a server that takes no login in it."""


def _account(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
        if len(value) != 12:
            raise ValueError(
                "YAML read this account id as a number and its leading zero is lost: write it in quotes, "
                'such as "012345678901"'
            )
    if isinstance(value, str) and not is_account(value):
        raise ValueError(f"an account id is 12 digits, this has {len(value)} characters")
    return value


def _day(value: Any) -> Any:
    # pydantic would take a number for seconds since 1970, and 20221001 is one in YAML.
    try:
        return value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("write a day such as 2022-10-01") from None


def _bucket(value: Any) -> Any:
    if isinstance(value, str) and re.match(r"arn:[^:]*:s3[a-z-]*:.*accesspoint[:/]", value):
        raise ValueError(
            "the ARN of an access point cannot be used here: write its alias, such as name-0a1b2c3d-s3alias, which "
            "the console and `aws s3control get-access-point` show"
        )
    return value


def _folder(value: str) -> str:
    if value.startswith("/"):
        raise ValueError("an S3 prefix has no leading slash")
    if re.search(r"(^|/)AWSLogs(/|$)", value):
        raise ValueError("the prefix is what comes before AWSLogs/: leave AWSLogs and all after it out")
    return value if not value or value.endswith("/") else value + "/"


Account = Annotated[str, BeforeValidator(_account)]
Region = Annotated[str, matching(REGION, "this does not look like a region such as us-west-2")]
Organization = Annotated[str, matching(ORGANIZATION, "write an organization's id such as o-a1b2c3d4e5")]
Name = Annotated[str, matching(r"[a-z0-9-]{1,60}", "use small letters, digits and hyphens, 60 at most")]
Bucket = Annotated[
    str,
    BeforeValidator(_bucket),
    matching(r"[A-Za-z0-9._-]{3,255}", "write the bucket's name alone, without s3:// and prefix"),
]
RoleArn = Annotated[
    str,
    matching(rf"arn:aws[a-z-]*:iam::{ACCOUNT}:role/.+", "write a role such as arn:aws:iam::123456789012:role/reader"),
]
Endpoint = Annotated[str, matching(r"https?://[^/]+/?", "write a URL such as http://127.0.0.1:8333"), url_without_login]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _NameFilter(_Frozen):
    """``all``, a list of names, ``{allow: […]}`` or ``{deny: […]}``, as written in the file."""

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if value == "all":
            return {}
        if isinstance(value, list | tuple | set | frozenset):
            return {"allow": list(value)}
        if not isinstance(value, Mapping | cls):
            raise ValueError("write all, a list, {allow: [...]} or {deny: [...]}")
        return value

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.allow is not None and self.deny:
            raise ValueError("write either allow or deny, not both")
        if self.allow == ():
            raise ValueError("an empty list would read nothing: write all, or leave the key out")
        return self

    def covers(self, name: str) -> bool:
        """Return True if `name` passes the filter."""
        return name not in self.deny if self.allow is None else name in self.allow

    def meets(self, other: _NameFilter) -> bool:
        """Return True if a name could pass both filters."""
        if self.allow is not None:
            return any(other.covers(name) for name in self.allow)
        return other.allow is None or other.meets(self)


class AccountFilter(_NameFilter):
    """Which accounts of a source are read."""

    allow: tuple[Account, ...] | None = None
    deny: tuple[Account, ...] = ()


class RegionFilter(_NameFilter):
    """Which regions of a source are read. For DNS logs the region is the VPC's."""

    allow: tuple[Region, ...] | None = None
    deny: tuple[Region, ...] = ()


class Source(_Frozen):
    """One bucket and prefix with one log in it.

    ``prefix`` is empty or ends in a slash. At most one of ``connection`` (an Airflow
    connection id), ``role_arn`` and ``profile`` is set; with none, boto3's default
    credentials read. ``region`` is the bucket's. Of the folders of organizations below
    ``AWSLogs/``, only that of ``organization`` is read if it is set. ``lookback_days`` whole days before
    the run's own are listed again, for late objects; days before ``start_day`` never.
    """

    name: Name
    log_type: LogType
    bucket: Bucket
    prefix: Annotated[str, AfterValidator(_folder)] = ""
    connection: str | None = Field(default=None, min_length=1)
    role_arn: RoleArn | None = None
    external_id: str | None = Field(default=None, min_length=2, repr=False)
    profile: str | None = Field(default=None, min_length=1)
    endpoint_url: Endpoint | None = None
    region: Region | None = None
    organization: Organization | None = None
    accounts: AccountFilter = AccountFilter()
    regions: RegionFilter = RegionFilter()
    lookback_days: int = Field(default=2, ge=0, le=30)
    requester_pays: bool = False
    start_day: Annotated[date, BeforeValidator(_day)] | None = None

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        given = [key for key in ("connection", "role_arn", "profile") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of {', '.join(given)}, not all")
        if self.external_id is not None and self.role_arn is None:
            raise ValueError("external_id needs role_arn")
        return self

    @property
    def account_list(self) -> tuple[str, ...] | None:
        """The allowed accounts in order, or None if they must be discovered by listing."""
        return None if self.accounts.allow is None else tuple(sorted(set(self.accounts.allow)))

    def covers_organization(self, organization: str) -> bool:
        """Return True if this source reads the accounts in the folder of `organization`."""
        return self.organization in (None, organization)

    def covers_account(self, account: str) -> bool:
        """Return True if this source reads `account`."""
        return self.accounts.covers(account)

    def covers_region(self, region: str) -> bool:
        """Return True if this source reads `region`."""
        return self.regions.covers(region)

    @property
    def narrows_regions(self) -> bool:
        """True if this source leaves out a region."""
        return self.regions != RegionFilter()

    @property
    def has_filters(self) -> bool:
        """True if this source leaves out an account or a region."""
        return self.narrows_regions or self.accounts != AccountFilter()

    def overlaps(self, other: Source) -> bool:
        """Return True if an object could belong to both sources, which would load it twice."""
        mine, theirs = (self.bucket, self.prefix, self.log_type), (other.bucket, other.prefix, other.log_type)
        return mine == theirs and self.accounts.meets(other.accounts) and self.regions.meets(other.regions)
