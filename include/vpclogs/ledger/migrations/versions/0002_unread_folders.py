"""Folders that a listing did not understand"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("manifests", sa.Column("unread_folders", sa.JSON(), nullable=True))
