"""Days that were listed"""

from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_LOOK_BACK = 31  # days: more than any source looks back
_AT_MOST = 3660  # days of one source that are taken for listed


def upgrade() -> None:
    op.add_column("manifests", sa.Column("listed_days", sa.JSON(), nullable=True))
    listed_days = op.create_table(
        "listed_days",
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hourly", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("source", "day"),
    )
    op.create_table(
        "unlisted_days",
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("source", "account", "day"),
    )
    for source, first, until in _sources():
        last = until.date()
        days = [last - timedelta(days=back) for back in range(min((last - first).days, _AT_MOST), -1, -1)]
        since = last - timedelta(days=_LOOK_BACK)
        op.bulk_insert(
            listed_days,
            [{"source": source, "day": day, "listed_at": until, "hourly": day >= since} for day in days],
        )


def _sources() -> list[tuple[str, date, datetime]]:
    """Return each source, the first day it has objects of, and until when all of its log type was listed.

    Earlier versions did not keep the days themselves: all of them up to the last listing are taken for listed.
    """
    objects = sa.table("objects", sa.column("source"), sa.column("log_type"), sa.column("day", sa.Date()))
    manifests = sa.table(
        "manifests", sa.column("log_type"), sa.column("mode"), sa.column("listed_until", sa.DateTime(timezone=True))
    )
    connection = op.get_bind()
    ends = connection.execute(
        sa.select(manifests.c.log_type, sa.func.max(manifests.c.listed_until))
        .where(manifests.c.mode == "add", manifests.c.listed_until.is_not(None))
        .group_by(manifests.c.log_type)
    )
    # SQLite has no zones and returns UTC; PostgreSQL returns the zone of the session
    until = {log_type: end.astimezone(UTC) if end.tzinfo else end.replace(tzinfo=UTC) for log_type, end in ends}
    firsts = connection.execute(
        sa.select(objects.c.source, objects.c.log_type, sa.func.min(objects.c.day)).group_by(
            objects.c.source, objects.c.log_type
        )
    )
    return [(source, first, until[log_type]) for source, log_type, first in firsts if log_type in until]
