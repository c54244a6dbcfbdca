"""What a schema is: an ordered list of fields, from which the parser, the Arrow and
Iceberg schemas, the validation and the reference page are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import pyarrow as pa

from vpclogs.partitions import LogType

__all__ = ["Field", "Indicator", "LogSchema", "TIMESTAMP"]

TIMESTAMP = pa.timestamp("us", tz="UTC")
"""Every time in the tables: aware UTC, microseconds (Iceberg's timestamptz)."""


class Indicator(StrEnum):
    """The columns that collect indicators of one kind over all fields."""

    IP = "p_any_ip_addresses"
    DOMAIN = "p_any_domain_names"
    ACCOUNT = "p_any_aws_account_ids"
    INSTANCE = "p_any_aws_instance_ids"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a log.

    ``name`` is the column; ``key`` the spelling in the log's text form (a JSON key, a
    flow-log header) and ``aliases`` other spellings that mean the same; ``parquet``
    the column name in AWS's Parquet files. ``since`` is the lowest format version
    that has the field. ``values`` are the values AWS documents: others load, and are
    reported as a finding, because AWS adds values. ``fields`` are those of a struct,
    or of the structs in a list.
    """

    name: str
    type: pa.DataType
    description: str
    required: bool = False
    key: str = ""
    aliases: tuple[str, ...] = ()
    parquet: str = ""
    since: int = 0
    indicator: Indicator | None = None
    values: frozenset[str] = frozenset()
    fields: tuple[Field, ...] = ()

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", self.name)

    @property
    def arrow(self) -> pa.Field:
        """The column."""
        return pa.field(self.name, self.type, nullable=not self.required)

    @classmethod
    def struct(cls, fields: tuple[Field, ...]) -> pa.StructType:
        """The type of a struct of ``fields``."""
        return pa.struct([field.arrow for field in fields])


@dataclass(frozen=True)
class LogSchema:
    """One log's fields, and the field that gives the event time."""

    log_type: LogType
    title: str  # Panther's name of the schema, such as AWS.VPCDns
    fields: tuple[Field, ...]
    event_time: str
    version: int  # of this schema: p_schema_version on each row; raise it when a field is added

    @cached_property
    def by_key(self) -> Mapping[str, Field]:
        """Fields by each of their spellings in the text form."""
        return {spelling: field for field in self.fields for spelling in (field.key, *field.aliases)}

    @cached_property
    def arrow(self) -> pa.Schema:
        """The log's own columns, in order."""
        return pa.schema([field.arrow for field in self.fields])

    @cached_property
    def parsed(self) -> pa.Schema:
        """What parsing yields: the log's columns, the event time, indicators, unknown fields."""
        derived = [
            pa.field("p_event_time", TIMESTAMP, nullable=False),
            *(pa.field(i.value, pa.list_(pa.string())) for i in Indicator),
            pa.field("p_extra", pa.map_(pa.string(), pa.string())),
        ]
        return pa.schema([*self.arrow, *derived])
