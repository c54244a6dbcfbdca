"""Run by Alembic; the connection, with its transaction, comes from ``Database``."""

from alembic import context

import vpclogs.ledger.monitor_tables  # noqa: F401 - its tables belong to the metadata
from vpclogs.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
