"""Settle or abandon an intent within a ledger transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, bindparam, delete, insert, update

from vpclogs.ledger.objects import SETTLED
from vpclogs.ledger.tables import intents, objects, partitions
from vpclogs.manifests import Mode
from vpclogs.partitions import Partition

if TYPE_CHECKING:
    from vpclogs.ledger.intents import Intent, Plan

__all__ = ["abandon_within", "settle_within"]


def settle_within(connection: Connection, intent: Intent, now: datetime) -> None:
    """Settle an intent; see `IntentBook.settle`."""
    closed = connection.execute(
        update(intents).where(intents.c.seq == intent.seq, intents.c.open).values(open=False, settled_at=now)
    )
    if closed.rowcount == 0:
        return
    connection.execute(
        update(objects).where(objects.c.intent == intent.seq).values(state=objects.c.outcome, settled_at=now)
    )
    for start in range(0, len(intent.plan.replaced), 500):
        connection.execute(
            update(objects)
            .where(objects.c.id.in_(intent.plan.replaced[start : start + 500]))
            .values(state="replaced", intent=None, settled_at=now)
        )
    _count_moved(connection, intent.plan.moved)
    for key in intent.plan.partitions:
        _bump(connection, Partition.parse(key, intent.log_type), intent.plan, now)


def abandon_within(connection: Connection, intent: Intent) -> None:
    """Abandon an intent; see `IntentBook.abandon`."""
    gone = connection.execute(delete(intents).where(intents.c.seq == intent.seq, intents.c.open))
    if gone.rowcount:
        # a reload claims objects that an earlier publish settled: those stay settled
        connection.execute(
            update(objects)
            .where(objects.c.intent == intent.seq, objects.c.state.not_in(SETTLED))
            .values(intent=None, outcome=None)
        )


def _count_moved(connection: Connection, moved: Mapping[str, int]) -> None:
    if moved:
        statement = (
            update(objects)
            .where(objects.c.identity == bindparam("of"))
            .values(rows=objects.c.rows + bindparam("n"), refused=objects.c.refused - bindparam("n"))
        )
        connection.execute(statement, [{"of": identity, "n": count} for identity, count in moved.items()])


def _bump(connection: Connection, partition: Partition, plan: Plan, now: datetime) -> None:
    values = {"state": "published", "detail": "", "run_key": plan.run_key, "updated_at": now}
    if plan.mode is Mode.REPLAY:  # a replay settles no object: a partition that failed before stays failed
        values = {"updated_at": now}
    changed = connection.execute(
        update(partitions).where(_same(partition)).values(version=partitions.c.version + 1, **values)
    )
    if changed.rowcount == 0:
        row = {
            "log_type": partition.log_type.value,
            "account": partition.account,
            "region": partition.region,
            "day": partition.day,
            "version": 1,
        }
        connection.execute(insert(partitions).values(row | values))


def _same(partition: Partition) -> Any:
    return and_(
        partitions.c.log_type == partition.log_type,
        partitions.c.account == partition.account,
        partitions.c.region == partition.region,
        partitions.c.day == partition.day,
    )
