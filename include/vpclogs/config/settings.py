"""The settings: sources, ledger, tables, limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from vpclogs.config.audit_thresholds import AuditSettings, AuditThresholds
from vpclogs.config.locations import rooted, warehouse_problem
from vpclogs.config.monitor_settings import MonitorSettings
from vpclogs.config.sources import Source, matching, parsable_url, url_without_login
from vpclogs.config.yaml_file import ConfigFile, MisplacedError
from vpclogs.errors import ConfigError
from vpclogs.partitions import LogType
from vpclogs.redaction import remember, secrets_of_environment, secrets_of_settings

if TYPE_CHECKING:
    from vpclogs.parsing.model import ParseLimits

__all__ = ["AirflowSettings", "AuditSettings", "AuditThresholds", "Limits", "Settings", "find_settings"]
__all__ += ["QuerySettings", "MaintenanceSettings", "load_settings", "size_in_bytes"]

CONFIG_VARIABLE = "VPCLOGS_CONFIG"
LOGIN_VARIABLES = ("VPCLOGS_AIRFLOW_USERNAME", "VPCLOGS_AIRFLOW_PASSWORD", "VPCLOGS_AIRFLOW_TOKEN")
DEFAULT_FILES = (Path("vpclogs.yaml"), Path("config/vpclogs.yaml"))

_UNITS = {"": 1, "b": 1} | {
    prefix + suffix: base**power
    for power, prefix in enumerate("kmgt", start=1)
    for suffix, base in (("b", 1000), ("ib", 1024))
}


def size_in_bytes(value: Any) -> Any:
    """Return bytes from a number or from text such as ``64 MiB``. Raise ValueError for other text."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", value)
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError("write a size as bytes or with a unit, such as 64 MiB")
    return int(float(match[1]) * _UNITS[match[2].lower()])


Size = Annotated[int, BeforeValidator(size_in_bytes), Field(ge=1)]
"""Bytes; in the file also text with a unit (kB, MB, GB, TB, KiB, MiB, GiB, TiB)."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Frozen):
    """Bounds of one run. Sizes in bytes.

    A batch, the work of one mapped task, holds many small partitions or a slice of a
    big one, up to ``batch_bytes`` (as stored in S3) and ``batch_objects``. A backfill of
    more than ``backfill_max_bytes`` or ``backfill_max_objects`` must be asked for.
    """

    batch_bytes: Size = 128 << 20
    batch_objects: int = Field(default=500, ge=1)
    max_batches: int = Field(default=1000, ge=1)  # below 1024, the default of Airflow's max_map_length
    fetch_threads: int = Field(default=8, ge=1, le=64)
    list_threads: int = Field(default=8, ge=1, le=64)
    catch_up_days: int = Field(default=3, ge=1, le=366)
    max_line_bytes: Size = 1 << 20
    max_object_bytes: Size = 16 << 30
    max_object_ratio: int = Field(default=200, ge=1)
    max_object_lines: int = Field(default=500_000_000, ge=1, le=(1 << 32) - 1)  # row ids have 32 bits for the line
    min_line_bytes: int = Field(default=8, ge=1)
    max_object_refused: int = Field(default=1000, ge=1)
    max_object_members: int = Field(default=100_000, ge=1)
    max_kept_raw_bytes: Size = 64 << 10
    backfill_max_bytes: Size = 100 << 30
    backfill_max_objects: int = Field(default=1_000_000, ge=1)

    @property
    def parsing(self) -> ParseLimits:
        """The bounds that the parser takes."""
        from vpclogs.parsing.model import ParseLimits  # heavy, and not needed to read a configuration

        return ParseLimits(
            max_line_bytes=self.max_line_bytes,
            max_object_bytes=self.max_object_bytes,
            max_object_ratio=self.max_object_ratio,
            max_object_lines=self.max_object_lines,
            min_line_bytes=self.min_line_bytes,
            max_object_refused=self.max_object_refused,
            max_object_members=self.max_object_members,
            max_kept_raw_bytes=self.max_kept_raw_bytes,
        )


class QuerySettings(_Frozen):
    """Bounds of each query and each SQL check, which runs in a process of its own. Sizes in bytes.

    DuckDB keeps to half of ``memory_bytes`` and then writes to its temporary folder; the process ends at the whole.
    ``seconds`` count while the query works, not while its rows are read.
    """

    memory_bytes: Annotated[Size, Field(ge=512 << 20)] = 2 << 30  # the libraries alone take about 250 MiB
    temporary_bytes: Size = 10 << 30
    threads: int = Field(default=4, ge=1, le=64)
    seconds: int = Field(default=600, ge=1)


class Retention(_Frozen):
    """The number of days that a partition is kept after its day; None keeps it. The quarantine's rows go with their
    log's, or earlier."""

    vpc_dns: int | None = Field(default=None, ge=1)
    vpc_flow: int | None = Field(default=None, ge=1)
    quarantine: int | None = Field(default=None, ge=1)


class MaintenanceSettings(_Frozen):
    """Settings of the daily maintenance. Sizes in bytes.

    Of a table's history the newest ``keep_snapshots`` stay, and all of the last
    ``keep_hours``, but never more than ``max_snapshots``: publishing takes longer with
    every snapshot. A partition is closed ``closed_after_days`` after its day.
    """

    keep_snapshots: int = Field(default=20, ge=10)
    keep_hours: int = Field(default=24, ge=0)
    max_snapshots: int = Field(default=50, ge=20)
    orphan_hours: int = Field(default=24, ge=1)
    closed_after_days: int = Field(default=3, ge=1)
    target_file_bytes: Size = 128 << 20
    max_small_files: int = Field(default=100, ge=2)
    reconcile_days: int = Field(default=7, ge=1, le=366)
    keep_staged_days: int = Field(default=7, ge=1)
    keep_runs_days: int = Field(default=30, ge=1)
    retention_days: Retention = Retention()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_snapshots <= self.keep_snapshots:
            raise ValueError("max_snapshots must be greater than keep_snapshots")
        return self

    def first_kept_day(self, log_type: LogType, today: date) -> date | None:
        """Return the oldest day of a log that is kept, or None if all are."""
        days = getattr(self.retention_days, log_type.value)
        return None if days is None else today - timedelta(days=days)


class AirflowSettings(_Frozen):
    """How the command reaches Airflow's REST API, and with which login or token.

    ``url`` is the address of the UI, which links begin with. ``api_url`` is the address to call where
    that one cannot be reached, such as the name of a service in the network of containers.
    The login may be left to the environment of whoever runs the command, see `with_login`.
    """

    url: Annotated[
        str, matching(r"https?://\S+", "write the address of the UI, such as http://localhost:8080"), url_without_login
    ]
    api_url: (
        Annotated[str, matching(r"https?://\S+", "write an address such as http://api-server:8080"), url_without_login]
        | None
    ) = None
    username: str | None = Field(default=None, min_length=1)
    password: str | None = Field(default=None, min_length=1, repr=False)
    token: str | None = Field(default=None, min_length=1, repr=False)

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.token is not None and self.username is not None:
            raise ValueError("give username and password, or a token, not both")
        return self

    def with_login(self, env: Mapping[str, str]) -> AirflowSettings:
        """Return these settings with the login of the environment, if it has one.

        Raises:
            ConfigError: there is no login in the settings or the environment.
        """
        username, password, token = (env.get(variable) or None for variable in LOGIN_VARIABLES)
        if token is not None:
            return self.model_copy(update={"username": None, "password": None, "token": token})
        if username is not None and password is not None:
            return self.model_copy(update={"username": username, "password": password, "token": None})
        if self.token is None and self.username is None:
            names = LOGIN_VARIABLES
            raise ConfigError(f"there is no login for Airflow: set {names[0]} and {names[1]}, or {names[2]}")
        return self


def _default_catalog() -> dict[str, str]:
    return {"type": "sql", "uri": "sqlite:///var/vpclogs/catalog.db", "warehouse": "file://var/vpclogs/warehouse"}


class Settings(_Frozen):
    """All settings. ``catalog`` is passed to ``pyiceberg.catalog.load_catalog`` as it is."""

    ledger: Annotated[str, matching(r"[a-z0-9+]+://.*", "write a URL such as sqlite:///ledger.db"), parsable_url] = (
        Field(
            default="sqlite:///var/vpclogs/ledger.db",
            repr=False,  # it may hold a password
        )
    )
    catalog: Mapping[str, Annotated[str, parsable_url]] = Field(default_factory=_default_catalog, repr=False)
    namespace: Annotated[str, matching(r"[a-z][a-z0-9_]*", "use small letters, digits and _")] = "vpclogs"
    limits: Limits = Limits()
    audit: AuditSettings = AuditSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    monitors: MonitorSettings = MonitorSettings()
    query: QuerySettings = QuerySettings()
    checks_folder: Path | None = None
    airflow: AirflowSettings | None = None
    sources: tuple[Source, ...]

    @model_validator(mode="after")
    def _sources_apart(self) -> Self:
        if not self.sources:
            raise MisplacedError("name at least one source", "sources")
        # Two sources over the same objects would claim them from each other in every run.
        for index, source in enumerate(self.sources):
            for other in self.sources[:index]:
                if source.name == other.name:
                    raise MisplacedError(f"a second source is named {source.name}", "sources", index, "name")
                if source.overlaps(other):
                    raise MisplacedError(
                        f"the source {other.name} reads the {source.log_type} objects of s3://{source.bucket}/"
                        f"{source.prefix} too: give the two different accounts or regions, or remove one",
                        "sources",
                        index,
                    )
        for section in ("audit", "monitors"):
            for name in getattr(self, section).per_source:
                if name not in (source.name for source in self.sources):
                    raise MisplacedError("no source has this name", section, "per_source", name)
        return self

    @model_validator(mode="after")
    def _keeps_what_is_read(self) -> Self:
        for log_type in LogType:
            days = getattr(self.maintenance.retention_days, log_type.value)
            if days is not None and days <= self.lookback_days(log_type):
                raise MisplacedError(
                    "hourly runs look further back than this: keep more days, or lower the sources' lookback_days",
                    *("maintenance", "retention_days", log_type.value),
                )
        return self

    @model_validator(mode="after")
    def _warehouse_is_usable(self) -> Self:
        if message := warehouse_problem(self.catalog):
            raise MisplacedError(message, "catalog", "warehouse")
        return self

    def sources_for(self, log_type: LogType | str) -> tuple[Source, ...]:
        """Return the sources of one log type, in the file's order."""
        return tuple(source for source in self.sources if source.log_type == log_type)

    def kept_days(self, log_type: LogType, days: Sequence[date], today: date) -> list[date]:
        """Return the days that retention keeps. The others are not loaded."""
        first = self.maintenance.first_kept_day(log_type, today)
        return [day for day in days if first is None or day >= first]

    def first_open_day(self, log_type: LogType | str, today: date) -> date:
        """Return the oldest day of a log that may still change. Partitions of earlier days are closed."""
        return today - timedelta(days=max(self.maintenance.closed_after_days, self.lookback_days(log_type) + 1) - 1)

    def lookback_days(self, log_type: LogType | str) -> int:
        """Return the longest lookback of a log's sources, in days."""
        return max((source.lookback_days for source in self.sources_for(log_type)), default=0)

    def rooted_in(self, folder: Path) -> Settings:
        """Return these settings with relative paths, also in sqlite and file URLs, resolved against `folder`.

        Raises:
            ConfigError: the folder's path cannot be part of the warehouse's location.
        """
        catalog = {key: rooted(value, folder) for key, value in self.catalog.items()}
        if message := warehouse_problem(catalog):
            raise ConfigError(
                f"catalog.warehouse: {catalog['warehouse']} lies beside the settings in {folder}; {message}"
            )
        checks = None if self.checks_folder is None else folder / self.checks_folder
        update = {"ledger": rooted(self.ledger, folder), "catalog": catalog, "checks_folder": checks}
        return self.model_copy(update=update)


def find_settings(path: Path | None, env: Mapping[str, str]) -> Path:
    """Return the path of the settings: `path`, else the value of ``VPCLOGS_CONFIG``, else a default.

    Raises:
        ConfigError: there is none.
    """
    if path is None and env.get(CONFIG_VARIABLE):
        path = Path(env[CONFIG_VARIABLE])
    if path is not None:
        return path
    for candidate in DEFAULT_FILES:
        if candidate.is_file():
            return candidate
    raise ConfigError(
        f"no configuration: {CONFIG_VARIABLE} is not set and there is no {' or '.join(map(str, DEFAULT_FILES))} "
        f"in {Path.cwd()}; copy config/vpclogs.example.yaml and name your bucket in it"
    )


def load_settings(path: Path | None, env: Mapping[str, str]) -> Settings:
    """Read the settings file.

    Raises:
        ConfigError: the settings are invalid. It lists each problem with file, line and key.
    """
    file = ConfigFile.read(find_settings(path, env), env)
    remember([*secrets_of_settings(file.data), *secrets_of_environment(env)])
    problems = list(file.problems)
    try:
        settings = Settings.model_validate(file.data)
    except ValidationError as error:
        problems += [file.explain(Settings, detail) for detail in error.errors(include_url=False)]
    if problems:
        lines = [f"{file.path}:{problem.line}: {problem.text}" for problem in sorted(set(problems))]
        raise ConfigError("the configuration cannot be used:", *lines)
    return settings.rooted_in(file.path.resolve().parent)
