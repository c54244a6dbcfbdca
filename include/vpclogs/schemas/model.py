"""A schema: an ordered list of fields, the source of the parser, the Arrow and Iceberg schemas, the validation and
the reference page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import pyarrow as pa

from vpclogs.partitions import LogType

__all__ = ["Field", "Indicator", "LogSchema", "TIMESTAMP"]

TIMESTAMP = pa.timestamp("us", tz="UTC")
"""The type of every time in the tables: aware UTC, microseconds (Iceberg's timestamptz)."""


class Indicator(StrEnum):
    """The columns that collect indicators of one kind over all fields."""

    IP = "p_any_ip_addresses"
    DOMAIN = "p_any_domain_names"
    ACCOUNT = "p_any_aws_account_ids"
    INSTANCE = "p_any_aws_instance_ids"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a log.

    ``name`` is the column; ``key`` the spelling in the log's text form (a JSON key, a flow-log header), ``aliases``
    other spellings of it, and ``parquet`` the column name in AWS's Parquet files. ``since`` is the lowest format
    version that has the field. ``values`` are the values AWS documents: others load and are reported as a finding,
    because AWS adds values. ``fields`` are those of a struct, or of the structs in a list.
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
        """Return the type of a struct of ``fields``."""
        return pa.struct([field.arrow for field in fields])


@dataclass(frozen=True)
class LogSchema:
    """One log's fields, and the name of the field with the event time."""

    log_type: LogType
    title: str  # Panther's name of the schema, such as AWS.VPCDns
    fields: tuple[Field, ...]
    event_time: str
    version: int  # of this schema: p_schema_version of each row; increase it when a field is added

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
        """The columns of parsed rows: the log's own, the event time, indicators, unknown fields."""
        derived = [
            pa.field("p_event_time", TIMESTAMP, nullable=False),
            *(pa.field(i.value, pa.list_(pa.string())) for i in Indicator),
            pa.field("p_extra", pa.map_(pa.string(), pa.string())),
        ]
        return pa.schema([*self.arrow, *derived])
