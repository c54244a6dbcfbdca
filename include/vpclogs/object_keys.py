"""Path grammars: the folders in which AWS puts the objects of each log, and the parts of a key.

Below a source's prefix and ``AWSLogs/``, with an optional ``o-…`` organization folder:

* DNS       ``<account>/vpcdnsquerylogs/<vpc>/<yyyy>/<mm>/<dd>/<file>``
* flow      ``<account>/vpcflowlogs/<region>/<yyyy>/<mm>/<dd>/[<hh>/]<file>``
* flow Hive ``aws-account-id=<account>/aws-service=vpcflowlogs/aws-region=<region>/
  year=<yyyy>/month=<mm>/day=<dd>/[hour=<hh>/]<file>``

One bucket may hold all of them, so the layout is a property of each object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from vpclogs.identifiers import ACCOUNT, FLOW_LOG, ORGANIZATION, REGION, VPC, is_vpc
from vpclogs.partitions import LogType

__all__ = [
    "ROOT",
    "AccountFolder",
    "Layout",
    "Placed",
    "ScopeFolder",
    "Stray",
    "account_folders",
    "holds_account",
    "is_organization",
    "is_other_log",
    "key_time",
    "parse_key",
    "read_account_folder",
    "read_scope_folder",
]

ROOT = "AWSLogs/"

_SERVICE = {LogType.VPC_DNS: "vpcdnsquerylogs", LogType.VPC_FLOW: "vpcflowlogs"}
# The folders of other logs that AWS writes beside these, in small letters.
_OTHER_LOGS = {
    *("accesslogs", "bedrockmodelinvocationlogs", "cloudfront", "cloudtrail", "cloudtrail-aggregated"),
    *("cloudtrail-digest", "cloudtrail-insight", "cloudtrail-networkactivity", "config", "elasticloadbalancing"),
    *("globalaccelerator", "guardduty", "network-firewall", "redshift", "s3", "ssm", "verifiedaccess", "vpclattice"),
    "waflogs",
}
_ORGANIZATION = re.compile(f"{ORGANIZATION}/")
_ACCOUNT = re.compile(f"(?P<hive>aws-account-id=)?(?P<account>{ACCOUNT})/")
_FLOW_SCOPE = {hive: re.compile(f"{'aws-region=' if hive else ''}(?P<region>{REGION})/") for hive in (False, True)}

_START = f"(?:{ORGANIZATION}/)?"
_FOLDERS = {
    LogType.VPC_DNS: re.compile(
        _START + f"(?P<account>{ACCOUNT})/vpcdnsquerylogs/(?P<scope>{VPC})/"
        r"(?P<year>[0-9]{4})/(?P<month>[0-9]{2})/(?P<day>[0-9]{2})/(?P<file>[^/]+)"
    ),
    LogType.VPC_FLOW: re.compile(
        _START + f"(?P<account>{ACCOUNT})/vpcflowlogs/(?P<region>{REGION})/"
        r"(?P<year>[0-9]{4})/(?P<month>[0-9]{2})/(?P<day>[0-9]{2})/(?:(?P<hour>[0-9]{2})/)?(?P<file>[^/]+)"
    ),
}
_HIVE_FOLDERS = re.compile(
    _START + f"aws-account-id=(?P<account>{ACCOUNT})/aws-service=vpcflowlogs/aws-region=(?P<region>{REGION})/"
    r"year=(?P<year>[0-9]{4})/month=(?P<month>[0-9]{2})/day=(?P<day>[0-9]{2})/(?:hour=(?P<hour>[0-9]{2})/)?(?P<file>[^/]+)"
)
# The hash is 8 hex digits in all keys seen, but no AWS page promises its length.
_TAIL = r"[0-9]{8}T[0-9]{4}Z_[0-9A-Za-z]{1,64}"
_FILES = {
    LogType.VPC_DNS: re.compile(rf"(?P<scope>{VPC})_vpcdnsquerylogs_(?P<account>{ACCOUNT})_{_TAIL}\.log\.gz"),
    LogType.VPC_FLOW: re.compile(
        rf"(?P<account>{ACCOUNT})_vpcflowlogs_(?P<region>{REGION})_(?P<scope>{FLOW_LOG})_{_TAIL}"
        r"(?:\.log\.gz|(?:\.log)?\.parquet)"
    ),
}
_TIME = re.compile(r"_([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})Z_[^_/]+$")
_FOLDERS_IN_WORDS = {
    LogType.VPC_DNS: "AWSLogs/<account>/vpcdnsquerylogs/<vpc id>/<year>/<month>/<day>/",
    LogType.VPC_FLOW: "AWSLogs/<account>/vpcflowlogs/<region>/<year>/<month>/<day>/ (also hourly or Hive)",
}
_FILES_IN_WORDS = {
    LogType.VPC_DNS: "<vpc id>_vpcdnsquerylogs_<account>_<time>_<hash>.log.gz",
    LogType.VPC_FLOW: "<account>_vpcflowlogs_<region>_<flow log id>_<time>_<hash>.log.gz (or .log.parquet)",
}
_PART_IN_WORDS = {"account": "account", "region": "region", "scope": "VPC"}


class Layout(StrEnum):
    """Which of AWS's folder layouts a key follows."""

    DNS = "dns"
    DEFAULT = "default"
    HOURLY = "hourly"
    HIVE = "hive"
    HIVE_HOURLY = "hive_hourly"


@dataclass(frozen=True, slots=True)
class Placed:
    """The parts of a well-formed key. ``scope`` is a VPC id (DNS) or a flow log id; DNS has no region."""

    layout: Layout
    account: str
    region: str | None
    scope: str
    day: date


@dataclass(frozen=True, slots=True)
class Stray:
    """A key that fits no layout. ``why`` is one sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class AccountFolder:
    """The folder of one log in one account; ``path`` ends in a slash. Its children are scopes."""

    path: str
    account: str
    hive: bool

    @property
    def parent(self) -> str:
        """The account's own folder, which holds this one."""
        return self.path[: self.path.rindex("/", 0, -1) + 1]


@dataclass(frozen=True, slots=True)
class ScopeFolder:
    """The folder above the days: one VPC (DNS) or one region (flow, ``region`` set).

    ``vpc`` is empty for a flow log and for a name that is no VPC id.
    """

    path: str
    account: str
    region: str | None
    vpc: str
    hive: bool

    def day_prefix(self, day: date) -> str:
        """The prefix of the keys of one day, hourly folders included."""
        return self.path + day.strftime("year=%Y/month=%m/day=%d/" if self.hive else "%Y/%m/%d/")


def parse_key(key: str, prefix: str, log_type: LogType) -> Placed | Stray:
    """Read a key below the source's ``prefix`` (empty or ending in a slash)."""
    if not key.startswith(prefix + ROOT):
        return Stray(f"it does not begin with {prefix}{ROOT}")
    below = key[len(prefix) + len(ROOT) :]
    folders, hive = _FOLDERS[log_type].fullmatch(below), False
    if folders is None and log_type is LogType.VPC_FLOW:
        folders, hive = _HIVE_FOLDERS.fullmatch(below), True
    if folders is None:
        return Stray(f"its folders are not {_FOLDERS_IN_WORDS[log_type]}")
    return _place(folders, hive, log_type)


def key_time(key: str) -> datetime | None:
    """The time in the file's name, when the minutes began that it has records of; None if it has none."""
    match = _TIME.search(key)
    try:
        year, month, day, hour, minute = map(int, match.groups()) if match else (0, 0, 0, 0, 0)
        return datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None


def _place(folders: re.Match[str], hive: bool, log_type: LogType) -> Placed | Stray:
    said = folders.groupdict()
    try:
        day = date(int(said["year"]), int(said["month"]), int(said["day"]))
    except ValueError:
        return Stray(f"{said['year']}-{said['month']}-{said['day']} is not a day of the calendar")
    hour = said.get("hour")
    if hour is not None and hour > "23":
        return Stray(f"{hour} is not an hour of a day")
    file = _FILES[log_type].fullmatch(said["file"])
    if file is None:
        return Stray(f"its file name is not {_FILES_IN_WORDS[log_type]}")
    for part, value in file.groupdict().items():
        if said.get(part, value) != value:
            return Stray(f"its file name says {_PART_IN_WORDS[part]} {value}, its folders say {said[part]}")
    return Placed(_layout(log_type, hive, hour), said["account"], said.get("region"), file["scope"], day)


def _layout(log_type: LogType, hive: bool, hour: str | None) -> Layout:
    if log_type is LogType.VPC_DNS:
        return Layout.DNS
    if hive:
        return Layout.HIVE if hour is None else Layout.HIVE_HOURLY
    return Layout.DEFAULT if hour is None else Layout.HOURLY


def is_organization(folder: str) -> bool:
    """Return True if a folder name (with its slash) below ``AWSLogs/`` holds an organization's accounts."""
    return _ORGANIZATION.fullmatch(folder) is not None


def holds_account(folder: str) -> bool:
    """Return True if a folder name (with its slash) is that of an account, in either layout."""
    return _ACCOUNT.fullmatch(folder) is not None


def read_account_folder(parent: str, folder: str, log_type: LogType) -> AccountFolder | None:
    """The log's folder in the account that ``folder`` names below ``parent``, if it names one."""
    match = _ACCOUNT.fullmatch(folder)
    if match is None:
        return None
    hive = match["hive"] is not None
    if hive and log_type is LogType.VPC_DNS:
        return None  # AWS writes no Hive layout for this log
    service = ("aws-service=" if hive else "") + _SERVICE[log_type]
    return AccountFolder(f"{parent}{folder}{service}/", match["account"], hive)


def is_other_log(folder: str) -> bool:
    """Return True if a folder name (with its slash) in an account's folder is that of a log that AWS writes there."""
    name = folder.rstrip("/").removeprefix("aws-service=")
    return name in _SERVICE.values() or name.lower() in _OTHER_LOGS


def account_folders(parent: str, account: str, log_type: LogType) -> tuple[AccountFolder, ...]:
    """Every folder in which the log of a known account may lie directly below ``parent``."""
    names = (f"{account}/", f"aws-account-id={account}/")
    return tuple(found for name in names if (found := read_account_folder(parent, name, log_type)))


def read_scope_folder(parent: AccountFolder, folder: str, log_type: LogType) -> ScopeFolder | None:
    """The VPC or region folder that ``folder`` names, if it names one."""
    path = parent.path + folder
    if log_type is LogType.VPC_DNS:
        # Any name: keys below one that is no VPC id are reported one by one, not skipped.
        name = folder.rstrip("/")
        return ScopeFolder(path, parent.account, None, name if is_vpc(name) else "", parent.hive)
    match = _FLOW_SCOPE[parent.hive].fullmatch(folder)
    return None if match is None else ScopeFolder(path, parent.account, match["region"], "", parent.hive)
