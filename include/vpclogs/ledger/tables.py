"""The ledger's tables. A change needs a migration in ``migrations/versions``; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

__all__ = ["BIG_ID", "UtcDateTime", "certificates", "cuts", "findings", "intents", "listed_days", "manifest_objects"]
__all__ += ["manifests", "metadata", "objects", "partition_counts", "partition_statistics", "partitions", "scopes"]
__all__ += ["staged_batches", "unlisted_days"]


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time, also on SQLite, which has no time zones. Raises ValueError for a naive time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the ledger requires aware times, {value!r} has no zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite generates ids only for the type INTEGER.
BIG_ID = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)

_WAITING = text("state = 'listed'")

objects = Table(
    "objects",
    metadata,
    Column("id", BIG_ID, primary_key=True),
    Column("identity", String(24), nullable=False, unique=True),
    Column("source", String(100), nullable=False),
    Column("log_type", String(20), nullable=False),
    Column("bucket", String(255), nullable=False),
    Column("key", Text, nullable=False),
    Column("etag", String(200), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("last_modified", UtcDateTime, nullable=False),
    Column("account", String(12), nullable=False),
    Column("region", String(40), nullable=False),
    Column("day", Date, nullable=False),
    Column("scope", String(100), nullable=False),
    Column("problem", String(40)),
    # listed, then a state of parsing.model.ObjectState, or `replaced` by a later version
    Column("state", String(20), nullable=False),
    # the value of `state` once the publish that claimed this object is settled
    Column("outcome", String(20)),
    Column("reason", String(40)),
    Column("detail", Text),
    Column("rows", BigInteger, nullable=False, default=0),
    Column("refused", BigInteger, nullable=False, default=0),
    Column("raw_bytes", BigInteger, nullable=False, default=0),
    # the publish that claimed this object, open or settled: no other may add it
    Column("intent", BigInteger, index=True),
    # the value of `region` once that publish is settled: the region that the object's records name
    Column("home", String(40)),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Index(None, "log_type", "account", "day", "region"),
    Index(None, "log_type", "day", "state"),
    # the few objects that wait: all others are never visited to find them
    Index("ix_objects_waiting", "log_type", "day", sqlite_where=_WAITING, postgresql_where=_WAITING),
)

scopes = Table(
    "scopes",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("scope", String(100), primary_key=True),  # a VPC id: DNS keys do not carry its region
    Column("region", String(40), nullable=False),
    Column("learned_from", Text, nullable=False),
)

manifests = Table(
    "manifests",
    metadata,
    Column("id", BIG_ID, primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("log_type", String(20), nullable=False),
    Column("run_key", String(500), nullable=False, index=True),
    Column("mode", String(20), nullable=False),  # add | reload
    Column("created_at", UtcDateTime, nullable=False),
    Column("objects", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("batches", Integer, nullable=False),
    Column("list_requests", Integer),  # made by the plan; null in manifests of versions that did not count them
    Column("read_requests", Integer),  # that reading its objects takes, a part of 8 MiB each
    Column("listing_failures", JSON, nullable=False),
    Column("targets", JSON),  # keys of the partitions that a reload swaps in
    # all objects delivered before this time were listed, except the failures; null after a partial listing
    Column("listed_until", UtcDateTime),
    Column("listed_days", JSON),  # see vpclogs.listed_days.Listed; null if no whole day was listed
    Column("unread_folders", JSON),  # see vpclogs.unread; null in manifests of versions that did not count them
    Column("audit", JSON),  # {"passed": [key], "failed": [[key, why]]}
    Column("outcome", JSON),  # the return value of publish
    Column("cleaned_at", UtcDateTime),  # from then on staged files may be gone, so it cannot be published
)

# When the newest complete listing of a day began: from the first hourly day on, runs leave no day out.
listed_days = Table(
    "listed_days",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("listed_at", UtcDateTime, nullable=False),
    Column("hourly", Boolean, nullable=False),  # a run that lists up to now has covered it
)

# The days on which the newest listing of an account failed, while that of its source did not.
unlisted_days = Table(
    "unlisted_days",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("account", String(12), primary_key=True),
    Column("day", Date, primary_key=True),
)

manifest_objects = Table(
    "manifest_objects",
    metadata,
    Column("manifest", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("batch", Integer, nullable=False),
    Column("object", ForeignKey("objects.id"), nullable=False, index=True),
    Column("region", String(40)),  # for which the run planned it; an object that is loaded may lie elsewhere
)

staged_batches = Table(
    "staged_batches",
    metadata,
    Column("manifest", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    Column("batch", Integer, primary_key=True),
    Column("staged_at", UtcDateTime, nullable=False),
    Column("result", JSON, nullable=False),
)

intents = Table(
    "intents",
    metadata,
    Column("seq", BIG_ID, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("manifest", ForeignKey("manifests.id"), nullable=False),
    Column("log_type", String(20), nullable=False),
    Column("open", Boolean, nullable=False, index=True),
    Column("document", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    sqlite_autoincrement=True,  # a sequence number is never reused
)

# Expirations announced per table: a claim based on an earlier count is refused.
cuts = Table(
    "cuts",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("number", BigInteger, nullable=False),
)

partitions = Table(
    "partitions",
    metadata,
    Column("log_type", String(20), primary_key=True),
    Column("account", String(12), primary_key=True),
    Column("region", String(40), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("state", String(20), nullable=False),  # published | failed
    Column("version", Integer, nullable=False),  # counts publishes, so that a reload detects a publish in between
    Column("detail", Text, nullable=False),
    Column("run_key", String(500), nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

# The counts of each partition. `vpclogs.ledger.counting` keeps them in step with `objects`, `partitions` and
# `certificates`. The order of the key serves the overview, which reads days.
partition_counts = Table(
    "partition_counts",
    metadata,
    Column("log_type", String(20), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("account", String(12), primary_key=True),
    Column("region", String(40), primary_key=True),
    Column("state", String(20), nullable=False),  # published | failed | pending
    Column("complete", Boolean, nullable=False),  # a certificate confirms it
    Column("listed", Integer, nullable=False),  # objects; listed = loaded + refused + empty + gone + pending
    Column("loaded", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("empty", Integer, nullable=False),
    Column("gone", Integer, nullable=False),
    Column("bytes_listed", BigInteger, nullable=False),
    Column("bytes_settled", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("pending_since", UtcDateTime),  # the oldest LastModified of a pending object
    Column("waited_seconds", BigInteger, nullable=False),  # from LastModified to the table, summed over loaded objects
    sqlite_with_rowid=False,  # stored in the order of the key
)

# Statistics of all records of a partition, summed over its publishes; outlives `staged_batches`.
partition_statistics = Table(
    "partition_statistics",
    metadata,
    Column("log_type", String(20), primary_key=True),
    Column("account", String(12), primary_key=True),
    Column("region", String(40), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("statistics", JSON, nullable=False),  # see audits.partition_statistics
    Column("through", BigInteger, nullable=False),  # the last intent included
    Column("updated_at", UtcDateTime, nullable=False),
)

certificates = Table(
    "certificates",
    metadata,
    Column("log_type", String(20), primary_key=True),
    Column("account", String(12), primary_key=True),
    Column("region", String(40), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("complete", Boolean, nullable=False),
    Column("detail", Text, nullable=False),  # why it is not complete
    Column("hash", String(64), nullable=False),  # of the manifest that a reload of the same objects would have
    Column("listed", Integer, nullable=False),  # objects; listed = loaded + refused + empty + gone + pending
    Column("loaded", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("empty", Integer, nullable=False),
    Column("gone", Integer, nullable=False),
    Column("pending", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),  # of all objects, as stored in S3
    Column("rows", BigInteger, nullable=False),  # in the table
    Column("quarantined", BigInteger, nullable=False),  # in the quarantine
    Column("certified_at", UtcDateTime, nullable=False),
    Column("announced", String(64)),  # the hash of the certificate last announced to other DAGs
    Index(None, "log_type", "day"),
)

findings = Table(
    "findings",
    metadata,
    Column("id", BIG_ID, primary_key=True),
    Column("manifest", ForeignKey("manifests.id")),
    Column("log_type", String(20), nullable=False),
    Column("account", String(12), nullable=False),
    Column("region", String(40), nullable=False),
    Column("day", Date, nullable=False),
    Column("check", String(60), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("message", Text, nullable=False),
    Column("example", Text),
    Column("action", Text),  # the advice of the check; null in findings of versions that did not keep it
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "log_type", "account", "region", "day"),
)
