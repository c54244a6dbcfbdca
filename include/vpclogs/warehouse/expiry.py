"""Expire snapshots: shorten the history of a table without changing its rows.

Publishing searches the history to find out whether an open intent is in a table already, and whether the ledger is as
new as the table. The snapshots that stay are therefore always the newest ones without a gap, back to the newest
publish and to the last sequence number before any open intent was claimed. An intent that is claimed later cannot be
in the expired part: the expiration is announced in the ledger before the open intents are read, and a claim based on
an earlier reading of the tables is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update.snapshot import ExpireSnapshots

from vpclogs.ledger import Ledger
from vpclogs.partitions import LogType
from vpclogs.warehouse.snapshots import FastTransaction, history, intent_of

__all__ = ["expire", "expired"]


def expire(table: Table, ledger: Ledger, *, keep: int, since: datetime | None = None, most: int | None = None) -> int:
    """Expire snapshots of a freshly loaded table and return their number.

    The newest ``keep`` snapshots stay, those since ``since`` up to ``most``, foreign branches and tags, and whatever
    publishing needs.

    Raises:
        CommitFailedException: another process has just expired one of them. Any other error of `UNDECIDED`, too.
    """
    # Announcing makes concurrent claims plan again, so it is done only when something will be removed.
    if not expired(table, ledger, keep=keep, since=since, most=most):
        return 0
    ledger.cuts.announce(table.name()[-1])
    # read the open intents again: one may have been claimed before the announcement
    ids = [snapshot.snapshot_id for snapshot in expired(table, ledger, keep=keep, since=since, most=most)]
    if not ids:
        return 0
    try:
        # FastTransaction: pyiceberg's own would copy the whole metadata twice per expired snapshot.
        ExpireSnapshots(FastTransaction(table, autocommit=True)).by_ids(ids).commit()
    except ValueError as error:  # pyiceberg reports a snapshot that is gone this way
        raise CommitFailedException(str(error)) from error
    return len(ids)


def expired(
    table: Table, ledger: Ledger, *, keep: int, since: datetime | None = None, most: int | None = None
) -> list[Snapshot]:
    """Return the snapshots that `expire` would expire."""
    chain = list(history(table))
    if not chain:
        return []
    begin = None if since is None else int(since.timestamp() * 1000)
    recent = [begin is not None and snapshot.timestamp_ms >= begin for snapshot in chain]
    young = _last(recent) if most is None else min(_last(recent), most)
    stay = max(keep, young, _needed(table.name()[-1], chain, ledger))
    # A tag or branch is somebody's decision to keep a state; Iceberg refuses to expire it anyway.
    protected = {reference.snapshot_id for reference in table.metadata.refs.values()}
    return [snapshot for snapshot in chain[stay:] if snapshot.snapshot_id not in protected]


def _needed(name: str, chain: Sequence[Snapshot], ledger: Ledger) -> int:
    """Return how many of the newest snapshots publishing needs."""
    # Without any publish in sight, nothing may go: the ledger could not be compared with the table.
    newest = next((place for place, snapshot in enumerate(chain) if intent_of(snapshot)), len(chain) - 1)
    claimed = [ledger.intents.open(log_type) for log_type in LogType]
    plans = [intent.plan for intent in claimed if intent is not None]
    bases = [plan.bases.get(name, 0) for plan in plans if name in plan.tables]
    # A completer looks for its intent in the snapshots after its base; all of those have to stay.
    later = [any((snapshot.sequence_number or 0) > base for base in bases) for snapshot in chain]
    return max(newest + 1, _last(later))


def _last(marks: Sequence[bool]) -> int:
    """Return the index after the last true mark."""
    return max((place + 1 for place, mark in enumerate(marks) if mark), default=0)
