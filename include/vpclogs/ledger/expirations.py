"""A counter, per table, of snapshot expirations.

An intent records the sequence number from which its snapshot may appear in a table's history. Completing the intent
searches the history from there on, so expiration must never remove that part while the intent is open. Expiration
therefore increments the counter first and reads the open intents second. A claim whose counter is out of date is
refused and planned again; a claim that was written earlier is among the open intents.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from vpclogs.ledger.database import Database
from vpclogs.ledger.tables import cuts

__all__ = ["ExpirationStore", "counts_within"]


class ExpirationStore:
    """The table ``cuts``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self) -> dict[str, int]:
        """Return the number of expirations announced so far, by table. Tables without any are left out."""
        with self._database.read() as connection:
            return counts_within(connection)

    def announce(self, table: str) -> None:
        """Announce an expiration. Read the open intents after this, and only then expire."""
        with self._database.write() as connection:
            counted = update(cuts).where(cuts.c.name == table).values(number=cuts.c.number + 1)
            if not connection.execute(counted).rowcount:
                connection.execute(insert(cuts).values(name=table, number=1))


def counts_within(connection: Connection) -> dict[str, int]:
    """Return `ExpirationStore.counts` within a transaction."""
    return {row.name: row.number for row in connection.execute(select(cuts))}
