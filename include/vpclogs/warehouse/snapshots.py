"""The history of a table, and transactions whose cost does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import update_table_metadata

__all__ = ["INTENT_PROPERTY", "FastTransaction", "history", "intent_of", "merging"]

INTENT_PROPERTY = "vpclogs.intent"
"""The key, in a snapshot's summary, of the id of the intent that it publishes."""

_MERGE = "commit.manifest-merge.enabled"
# A balance: manifests to open at each scan, against entries to rewrite at a merge.
_MERGE_EVERY = 20


class FastTransaction(Transaction):
    """A transaction that computes the changed metadata once per change.

    pyiceberg computes it on every access, with a deep copy of all snapshots: about 18 times per publish, and twice
    per expired snapshot.
    """

    # The base and the changes that the cached metadata was computed from, compared by identity.
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
    """Let an append merge small manifests, about once in 20 commits.

    ``number`` is the table's last sequence number. This keeps manifests few, never rewrites a full one, and lets most
    commits write only their own manifest.
    """
    due = number % _MERGE_EVERY < 2  # a commit may take two numbers
    if due:
        transaction.set_properties({_MERGE: "true"})
    yield
    if due:
        transaction.set_properties({_MERGE: "false"})


def history(table: Table) -> Iterator[Snapshot]:
    """Yield the unexpired snapshots of the table's main branch, newest first."""
    # `Table.snapshot_by_id` searches a list each time: quadratic over a history of thousands.
    by_id = {snapshot.snapshot_id: snapshot for snapshot in table.metadata.snapshots}
    snapshot = table.current_snapshot()
    while snapshot is not None:
        yield snapshot
        snapshot = by_id.get(snapshot.parent_snapshot_id or -1)


def intent_of(snapshot: Snapshot) -> str | None:
    """Return the id of the intent that a snapshot publishes, or None if it is no publish."""
    return snapshot.summary.additional_properties.get(INTENT_PROPERTY) if snapshot.summary else None
