"""The closed list of reasons why a record or an object did not load.

A code is an identifier in quarantine rows, ledger entries, findings and the UI. Codes are added, never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["REASONS", "Reason", "Scope"]


class Scope(StrEnum):
    """The unit that a reason refuses."""

    OBJECT = "object"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Reason:
    """One code, with its meaning and the next step, one line each."""

    code: str
    scope: Scope
    meaning: str
    action: str


_O, _R = Scope.OBJECT, Scope.RECORD
# Refused records are rarely AWS's own: another program cut, joined or rewrote them, or writes to the prefix.
_REWRITTEN = "Find what else writes to the prefix or rewrites its objects; put AWS's object back, then reload."
_FORMAT = "If many records have it, AWS's format has changed: upgrade vpclogs, then replay the quarantine."
_RAISE = "Check what writes to the prefix; raise the limit if the object is genuine."

_ALL = (
    # The object holds nothing, or could not be read.
    Reason("empty_object", _O, "The object has no bytes.", "Nothing; it is counted as empty."),
    Reason("no_records", _O, "The object holds no record.", "Nothing; it is counted as empty."),
    Reason("gone", _O, "The object was deleted between listing and reading.", "Nothing; it is counted as gone."),
    Reason("changed", _O, "The object was rewritten between listing and reading.", "Nothing; the next run loads it."),
    Reason("denied", _O, "S3 refused to let us list or read.", "Fix the policy, then rerun the partition."),
    Reason("kms_denied", _O, "KMS refused to decrypt the object.", "Allow kms:Decrypt on its key, then rerun."),
    Reason("s3_rejected", _O, "S3 rejected the request itself.", "Check the source's bucket, region and endpoint."),
    Reason("archived", _O, "The object is in an archive storage class.", "Restore it, then rerun the partition."),
    Reason("throttled", _O, "S3 kept asking us to slow down.", "Rerun the partition."),
    Reason("read_failed", _O, "Reading the object broke off.", "Rerun the partition."),
    Reason("write_failed", _O, "A file of the object's partition could not be written.", "Fix the path, then rerun."),
    Reason("ledger_refused", _O, "The ledger rejects the object's entry.", "Report it with the object's key."),
    Reason("parser_failed", _O, "The parser failed on the object: a bug.", "Report it with the object; rerun later."),
    # The object is refused whole: its container.
    Reason(
        "not_gzip",
        _O,
        "The object is neither gzip nor plain text, nor Parquet of a flow log.",
        "Check what writes to the prefix.",
    ),
    Reason("gzip_truncated", _O, "The gzip stream ends too early.", "Upload the object again, complete."),
    Reason("gzip_corrupt", _O, "The gzip stream is damaged (bad data, length or CRC).", "Upload the object again."),
    Reason("parquet_corrupt", _O, "The Parquet file cannot be read.", "Upload the object again."),
    Reason(
        "object_too_large",
        _O,
        "The object decompresses to more than limits.max_object_bytes.",
        "Raise the limit if the object is genuine; a small file that grows this much is a bomb.",
    ),
    Reason(
        "ratio_too_high",
        _O,
        "The object decompresses to more than limits.max_object_ratio times its size.",
        "Raise the limit if the object is genuine; no log is so uniform.",
    ),
    Reason("too_many_members", _O, "More gzip members, or Parquet pages, than limits.max_object_members.", _RAISE),
    Reason(
        "parquet_too_wide",
        _O,
        "The footer or the pages of a few thousand rows of the Parquet file would take too much memory.",
        "Check what writes to the prefix; AWS's pages have 1 MiB at most.",
    ),
    Reason(
        "too_many_lines",
        _O,
        "More lines than limits.max_object_lines, or shorter ones than limits.min_line_bytes on average.",
        _RAISE,
    ),
    Reason(
        "too_many_refused",
        _O,
        "More than limits.max_object_refused records of the object are refused, and more than a tenth of all; "
        "or most of its lines are blank.",
        "Look into the object with vpclogs parse. If AWS's format has changed: upgrade vpclogs, then reload.",
    ),
    # The object is refused whole: what it holds.
    Reason("key_layout", _O, "The key is not one of AWS's layouts for this log.", "Move other files elsewhere."),
    Reason("version_major", _O, "The log has a major version this release does not know.", "Upgrade vpclogs."),
    Reason("no_header", _O, "The flow log file does not begin with a header.", "Check what writes to the prefix."),
    Reason("header_missing_required", _O, "The header lacks start, end or log-status.", "Add them to the flow log."),
    Reason("header_duplicate", _O, "The header has a name twice.", "Check what writes to the prefix."),
    Reason("header_changes", _O, "The header changes too often.", "Check what writes to the prefix."),
    Reason("parquet_type", _O, "A Parquet column has a type its field cannot.", "Check what writes to the prefix."),
    Reason("transit_gateway", _O, "A transit gateway flow log, another kind of log.", "Nothing; it is not loaded."),
    Reason("cloudwatch_export", _O, "An export from CloudWatch Logs.", "Deliver the flow log to S3 directly."),
    Reason(
        "ocsf",
        _O,
        "A file of Amazon Security Lake, whose schema is OCSF.",
        "Deliver the flow log itself to S3, and take Security Lake's prefix out of the sources.",
    ),
    Reason("json_in_flow", _O, "JSON under the flow log prefix.", "Check what writes to the prefix."),
    # One record is refused: its text.
    Reason(
        "line_too_long",
        _R,
        "The line, or the row, is longer than limits.max_line_bytes.",
        "Raise the limit if it is genuine.",
    ),
    Reason("invalid_utf8", _R, "The line is not UTF-8.", _REWRITTEN),
    Reason("too_deep", _R, "Brackets are nested more than 64 deep.", _REWRITTEN),
    Reason("not_json", _R, "The line is not one JSON value.", _REWRITTEN),
    Reason("not_object", _R, "The line is JSON but not an object.", _REWRITTEN),
    Reason("duplicate_key", _R, "A key occurs twice in one JSON object.", _REWRITTEN),
    Reason("lone_surrogate", _R, "A string has half of a surrogate pair; no UTF-8 can hold it.", _REWRITTEN),
    Reason("nul_character", _R, "A string has a NUL, which many readers take for its end.", _REWRITTEN),
    # One record is refused: its fields.
    Reason("missing_field", _R, "A required field is absent or null.", _FORMAT),
    Reason("wrong_type", _R, "A field has another type than the schema says.", _FORMAT),
    Reason("bad_version", _R, "The version is not a number such as 1.100000.", _FORMAT),
    Reason(
        "foreign_region",
        _R,
        "The record names another region than its object: than the first record of a DNS object, or the key of a flow "
        "log object.",
        "Find the program that joins objects or writes to the prefix; restore AWS's object, then reload.",
    ),
    Reason("bad_account", _R, "The account is not 12 (or 13) digits.", _REWRITTEN),
    Reason("bad_timestamp", _R, "The time is not one that exists, in the log's form.", _FORMAT),
    Reason("bad_port", _R, "The port is not a number from 0 to 65535.", _REWRITTEN),
    Reason("bad_integer", _R, "The number does not parse or does not fit.", _REWRITTEN),
    Reason("too_few_values", _R, "The row has fewer values than the header.", _REWRITTEN),
    Reason("too_many_values", _R, "The row has more values than the header.", _REWRITTEN),
)

REASONS: Mapping[str, Reason] = {reason.code: reason for reason in _ALL}
