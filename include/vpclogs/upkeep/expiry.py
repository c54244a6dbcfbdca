"""Expire snapshots: the history of a table is cut, its rows stay.

Publishing finds out from the history whether an open intent is in a table already, and
whether the ledger is as new as the table. So what stays is always the newest part of
the history without a gap, down to the newest publish, and down to the last sequence
number before any open intent was claimed. An intent that is claimed later cannot be in
what is cut: the cut is announced in the ledger before the open intents are asked for, and
who looked at the tables before the announcement cannot claim any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update.snapshot import ExpireSnapshots

from vpclogs.catalog_failures import UNDECIDED
from vpclogs.ledger import Ledger
from vpclogs.partitions import LogType
from vpclogs.snapshots import QuickTransaction, history, intent_of

__all__ = ["expire", "expired"]


def expire(table: Table, ledger: Ledger, *, keep: int, since: datetime | None = None, most: int | None = None) -> int:
    """Cut the history of a table that was loaded just now. Gives how many snapshots went.

    What stays are the newest ``keep`` snapshots, those since ``since`` up to ``most``,
    branches and tags of others, and whatever publishing needs. If another process changes the table
    at the same moment, or the catalog is in trouble, nothing is counted: the next one will expire what is left.
    """
    if not expired(table, ledger, keep=keep, since=since, most=most):
        return 0
    ledger.cuts.announce(table.name()[-1])
    # Asked again: an intent may have been claimed before the announcement.
    ids = [snapshot.snapshot_id for snapshot in expired(table, ledger, keep=keep, since=since, most=most)]
    if not ids:
        return 0
    try:
        ExpireSnapshots(QuickTransaction(table, autocommit=True)).by_ids(ids).commit()
    except (*UNDECIDED, ValueError):  # ValueError: another process expired one of them just now
        return 0
    return len(ids)


def expired(
    table: Table, ledger: Ledger, *, keep: int, since: datetime | None = None, most: int | None = None
) -> list[Snapshot]:
    """The snapshots that `expire` would expire."""
    chain = list(history(table))
    if not chain:
        return []
    begin = None if since is None else int(since.timestamp() * 1000)
    recent = [begin is not None and snapshot.timestamp_ms >= begin for snapshot in chain]
    young = _last(recent) if most is None else min(_last(recent), most)
    stay = max(keep, young, _needed(table.name()[-1], chain, ledger))
    protected = {reference.snapshot_id for reference in table.metadata.refs.values()}
    return [snapshot for snapshot in chain[stay:] if snapshot.snapshot_id not in protected]


def _needed(name: str, chain: Sequence[Snapshot], ledger: Ledger) -> int:
    """How many of the newest snapshots publishing needs."""
    newest = next((place for place, snapshot in enumerate(chain) if intent_of(snapshot)), len(chain) - 1)
    claimed = [ledger.intents.open(log_type) for log_type in LogType]
    plans = [intent.plan for intent in claimed if intent is not None]
    bases = [plan.bases.get(name, 0) for plan in plans if name in plan.tables]
    later = [any((snapshot.sequence_number or 0) > base for base in bases) for snapshot in chain]
    return max(newest + 1, _last(later))


def _last(marks: Sequence[bool]) -> int:
    """The place after the last mark that is set."""
    return max((place + 1 for place, mark in enumerate(marks) if mark), default=0)
