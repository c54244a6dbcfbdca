"""Counts of partitions, requests of plans, advice, acknowledged alerts"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_WAITING = sa.text("state = 'listed'")


def upgrade() -> None:
    op.add_column("manifests", sa.Column("list_requests", sa.Integer(), nullable=True))
    op.add_column("manifests", sa.Column("read_requests", sa.Integer(), nullable=True))
    op.add_column("alerts", sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("alerts", sa.Column("acknowledged_by", sa.String(length=200), nullable=True))
    op.add_column("alerts", sa.Column("note", sa.Text(), nullable=True))
    op.add_column("alerts", sa.Column("action", sa.Text(), nullable=True))
    op.add_column("findings", sa.Column("action", sa.Text(), nullable=True))
    op.create_index(
        "ix_objects_waiting", "objects", ["log_type", "day"], sqlite_where=_WAITING, postgresql_where=_WAITING
    )
    op.create_table(
        "partition_counts",
        sa.Column("log_type", sa.String(length=20), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("listed", sa.Integer(), nullable=False),
        sa.Column("loaded", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("empty", sa.Integer(), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sa.Column("bytes_listed", sa.BigInteger(), nullable=False),
        sa.Column("bytes_settled", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), nullable=False),
        sa.Column("pending_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waited_seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log_type", "day", "account", "region"),
        sqlite_with_rowid=False,
    )
    op.execute(count_all(op.get_bind().dialect.name))


def count_all(dialect: str) -> str:
    """Return the statement that counts all partitions once; `vpclogs.ledger.counting` keeps them from then on."""
    if dialect == "sqlite":
        waited = "CAST(ROUND((julianday(settled_at) - julianday(last_modified)) * 86400) AS INTEGER)"
        last_states = "MAX"
    else:
        waited = "ROUND(EXTRACT(epoch FROM settled_at - last_modified))"
        last_states = "BOOL_OR"
    return f"""
        INSERT INTO partition_counts (log_type, day, account, region, state, complete, listed, loaded, refused, empty,
            gone, bytes_listed, bytes_settled, rows, quarantined, pending_since, waited_seconds)
        SELECT o.log_type, o.day, o.account, o.region, COALESCE(MAX(p.state), 'pending'),
            COALESCE({last_states}(c.complete), {"0" if dialect == "sqlite" else "FALSE"}), COUNT(*),
            SUM(CASE WHEN o.state = 'loaded' THEN 1 ELSE 0 END), SUM(CASE WHEN o.state = 'refused' THEN 1 ELSE 0 END),
            SUM(CASE WHEN o.state = 'empty' THEN 1 ELSE 0 END), SUM(CASE WHEN o.state = 'gone' THEN 1 ELSE 0 END),
            SUM(o.size), SUM(CASE WHEN o.state IN ('loaded', 'refused', 'empty', 'gone') THEN o.size ELSE 0 END),
            SUM(CASE WHEN o.state IN ('loaded', 'refused', 'empty') THEN o.rows ELSE 0 END),
            SUM(CASE WHEN o.state IN ('loaded', 'refused', 'empty') THEN o.refused ELSE 0 END),
            MIN(CASE WHEN o.state NOT IN ('loaded', 'refused', 'empty', 'gone') THEN o.last_modified END),
            SUM(CASE WHEN o.state = 'loaded' THEN COALESCE({waited}, 0) ELSE 0 END)
        FROM objects o
        LEFT JOIN partitions p ON (p.log_type, p.account, p.region, p.day) = (o.log_type, o.account, o.region, o.day)
        LEFT JOIN certificates c ON (c.log_type, c.account, c.region, c.day) = (o.log_type, o.account, o.region, o.day)
        WHERE o.state NOT IN ('replaced', 'changed', 'left_out')
        GROUP BY o.log_type, o.day, o.account, o.region
    """  # noqa: S608 - of constants
