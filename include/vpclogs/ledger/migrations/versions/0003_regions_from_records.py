"""Regions from records"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("objects", sa.Column("home", sa.String(length=40), nullable=True))
    op.add_column("manifests", sa.Column("targets", sa.JSON(), nullable=True))
    op.add_column("manifest_objects", sa.Column("region", sa.String(length=40), nullable=True))
    # an object's other versions and its rows may lie in any region of its account and day
    op.drop_index(op.f("ix_objects_log_type_account_region_day"), table_name="objects")
    op.create_index(
        op.f("ix_objects_log_type_account_day_region"),
        "objects",
        ["log_type", "account", "day", "region"],
        unique=False,
    )
