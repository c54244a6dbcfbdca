"""Run by Alembic; the connection, with its transaction, comes from ``Database``."""

from alembic import context

from vpclogs.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
