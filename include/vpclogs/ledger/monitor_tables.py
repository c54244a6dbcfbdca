"""The tables of monitors and alerts. As for `vpclogs.ledger.tables`, a change needs a migration."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Date, Integer, String, Table, Text

from vpclogs.ledger.tables import BIG_ID, UtcDateTime, metadata

__all__ = ["alerts", "deliveries", "traits"]

# Object counts by the hour in the object's name: the monitors' record of normal delivery.
deliveries = Table(
    "deliveries",
    metadata,
    Column("log_type", String(20), primary_key=True),
    Column("day", Date, primary_key=True),  # the day in the path
    Column("hour", UtcDateTime, primary_key=True),  # start of the hour
    Column("source", String(100), primary_key=True),
    Column("account", String(12), primary_key=True),
    Column("region", String(40), primary_key=True),
    Column("scope", String(100), primary_key=True),
    Column("objects", Integer, nullable=False),
    Column("settled", Integer, nullable=False),
    Column("refused_objects", Integer, nullable=False),
    Column("other_logs", Integer, nullable=False),  # sound objects of another kind of log
    Column("rows", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
)

# Features of each source's records seen so far; drift is a feature that is new or missing.
traits = Table(
    "traits",
    metadata,
    Column("log_type", String(20), primary_key=True),
    Column("source", String(100), primary_key=True),
    Column("account", String(12), primary_key=True),
    Column("region", String(40), primary_key=True),
    Column("kind", String(20), primary_key=True),  # see monitors.drift.Kind
    Column("name", String(200), primary_key=True),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("days", Integer, nullable=False),  # number of days it was seen
    Column("example", Text),
    Column("noticed_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", BIG_ID, primary_key=True),
    Column("key", String(500), nullable=False, index=True),  # monitor/source/account/region/scope, as far as it goes
    Column("monitor", String(60), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("message", Text, nullable=False),
    Column("example", Text),
    Column("action", Text),  # the advice of the monitor; null for SQL checks
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    Column("resolved_at", UtcDateTime, index=True),
    Column("told_at", UtcDateTime),  # by any notifier, most recently
    Column("acknowledged_at", UtcDateTime),  # from then on notifiers do not repeat it
    Column("acknowledged_by", String(200)),
    Column("note", Text),
    Column("told", JSON, nullable=False),  # by notifier: {"open": time or null, "end": time or null, "failed": reason}
)
