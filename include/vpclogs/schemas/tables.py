"""The tables: each log's columns plus lineage, and the quarantine."""

from __future__ import annotations

import pyarrow as pa

from vpclogs.partitions import LogType
from vpclogs.schemas import schema_for
from vpclogs.schemas.model import TIMESTAMP, Field

__all__ = ["LINEAGE", "PARTITION_COLUMNS", "QUARANTINE", "QUARANTINE_FIELDS", "table_schema"]

_LOG_TYPE = Field("p_log_type", pa.string(), "The log type, such as AWS.VPCDns.", required=True)
_ROW_ID = Field(
    "p_row_id",
    pa.string(),
    "Names this record: 24 hex digits of the object (bucket, key, etag) and 8 of the line. The same input gives the "
    "same id.",
    required=True,
)
_PARSE_TIME = Field("p_parse_time", TIMESTAMP, "When the record was parsed.", required=True)
_SOURCE = (
    Field("p_source_label", pa.string(), "The name of the configured source.", required=True),
    Field("p_source_bucket", pa.string(), "The bucket of the object.", required=True),
    Field("p_source_key", pa.string(), "The key of the object.", required=True),
)
_PARTITION = (
    Field("p_account", pa.string(), "The account, from the object's path.", required=True),
    Field(
        "p_region",
        pa.string(),
        "The region, from the object's path; for DNS the region of the VPC.",
        required=True,
    ),
    Field("p_day", pa.date32(), "The day, from the object's path.", required=True),
)

PARTITION_COLUMNS = tuple(field.name for field in _PARTITION)
"""The identity partition columns of every table, in order."""

LINEAGE: tuple[Field, ...] = (
    _LOG_TYPE,
    _ROW_ID,
    _PARSE_TIME,
    Field("p_schema_version", pa.int32(), "The version of the schema that was used for the row.", required=True),
    *_SOURCE,
    Field(
        "p_source_line", pa.int64(), "The line of the record in the object, from 1; for Parquet the row.", required=True
    ),
    *_PARTITION,
)
"""The origin of a row; these follow the log's own and derived columns in each log's table."""

QUARANTINE_FIELDS: tuple[Field, ...] = (
    Field("reason", pa.string(), "The reason code, from the list below.", required=True),
    Field("field", pa.string(), "The field that is wrong, such as `answers[0].Rdata`."),
    Field("detail", pa.string(), "What is wrong, in a sentence.", required=True),
    Field(
        "raw",
        pa.string(),
        "The record's text, cut to `limits.max_kept_raw_bytes`; bytes that are no UTF-8 as `\\xNN`. Null if the "
        "object was refused whole.",
    ),
    Field("raw_bytes", pa.binary(), "The record's bytes, only if they are not valid UTF-8."),
    Field("header", pa.string(), "The header line that a flow record in text stands under; it is read by that."),
    Field("raw_complete", pa.bool_(), "Whether `raw` is all of the record.", required=True),
    Field("start", pa.int64(), "First byte of the record in the decompressed object; null for Parquet."),
    Field("end", pa.int64(), "The byte after the record's last."),
    _LOG_TYPE,
    _ROW_ID,
    _PARSE_TIME,
    *_SOURCE,
    Field("p_source_etag", pa.string(), "The version of the object.", required=True),
    Field("p_source_line", pa.int64(), "The line of the record, from 1. Null if the object was refused whole."),
    *_PARTITION,
)
"""A refused record, or an object that was refused whole."""

QUARANTINE: pa.Schema = pa.schema([field.arrow for field in QUARANTINE_FIELDS])


def table_schema(log_type: LogType) -> pa.Schema:
    """Return all columns of a log's table, in order."""
    return pa.schema([*schema_for(log_type).parsed, *(field.arrow for field in LINEAGE)])
