"""The history of a table, and changes to it that cost the same however long it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import update_table_metadata

__all__ = ["INTENT_PROPERTY", "QuickTransaction", "history", "intent_of", "merging"]

INTENT_PROPERTY = "vpclogs.intent"
"""In the summary of a snapshot: the id of the intent that it publishes."""

_MERGE = "commit.manifest-merge.enabled"
_MERGE_EVERY = 20


class QuickTransaction(Transaction):
    """A transaction that computes the changed metadata once per change.

    pyiceberg computes it, with a deep copy of all snapshots, each time that it looks:
    some 18 times per publish, and twice per snapshot that is expired.
    """

    _seen: tuple[TableMetadata, object, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The table's metadata with all changes so far."""
        base, updates = self._table.metadata, self._updates
        if not updates:
            return base
        if self._seen is None or self._seen[0] is not base or self._seen[1] is not updates:
            self._seen = (base, updates, update_table_metadata(base, updates))
        return self._seen[2]


@contextmanager
def merging(transaction: Transaction, number: int) -> Iterator[None]:
    """Within this an append merges small manifests, if it is due: once in 20 commits or so.

    ``number`` is the table's last sequence number. So there are few manifests, no full one
    is written again, and most commits write no manifest but their own.
    """
    due = number % _MERGE_EVERY < 2  # a commit may take two numbers
    if due:
        transaction.set_properties({_MERGE: "true"})
    yield
    if due:
        transaction.set_properties({_MERGE: "false"})


def history(table: Table) -> Iterator[Snapshot]:
    """The snapshots of the table's main branch from the newest back, as far as they are not expired."""
    by_id = {snapshot.snapshot_id: snapshot for snapshot in table.metadata.snapshots}
    snapshot = table.current_snapshot()
    while snapshot is not None:
        yield snapshot
        snapshot = by_id.get(snapshot.parent_snapshot_id or -1)


def intent_of(snapshot: Snapshot) -> str | None:
    """The id of the intent that a snapshot publishes, if it is a publish."""
    return snapshot.summary.additional_properties.get(INTENT_PROPERTY) if snapshot.summary else None
