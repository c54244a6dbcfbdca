"""How often the history of each table was about to be cut.

A claim says from which sequence number on its publish may be in a table, and whoever
completes it has to search the history from there on. A cut that is announced before the
claim is written, but after the claimer has looked at the tables, would not know of it: so
that claim is refused, and made again. A cut that is announced later sees the open intent.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from vpclogs.ledger.database import Database
from vpclogs.ledger.tables import cuts

__all__ = ["CutBook", "counts_within"]


class CutBook:
    """The table ``cuts``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self) -> dict[str, int]:
        """How many cuts were announced so far, by table; tables without any are left out."""
        with self._database.read() as connection:
            return counts_within(connection)

    def announce(self, table: str) -> None:
        """Say that the history of a table is about to be cut; then ask for the open intents, and then cut."""
        with self._database.write() as connection:
            counted = update(cuts).where(cuts.c.name == table).values(number=cuts.c.number + 1)
            if not connection.execute(counted).rowcount:
                connection.execute(insert(cuts).values(name=table, number=1))


def counts_within(connection: Connection) -> dict[str, int]:
    """See `CutBook.counts`, within a transaction."""
    return {row.name: row.number for row in connection.execute(select(cuts))}
