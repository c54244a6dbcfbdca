"""Settle or abandon an intent within a ledger transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from vpclogs.ledger.counting import recount_partitions
from vpclogs.ledger.partition_rows import columns_of, partition_of, rows_of
from vpclogs.ledger.states import NOT_COUNTED, SETTLED
from vpclogs.ledger.tables import certificates, intents, objects, partitions
from vpclogs.manifests import Mode
from vpclogs.partitions import UNKNOWN_REGION, LogType, Partition

if TYPE_CHECKING:
    from vpclogs.intents import Intent, Plan

__all__ = ["abandon_within", "settle_within"]


def settle_within(connection: Connection, intent: Intent, now: datetime) -> None:
    """Settle an intent; see `IntentStore.settle`."""
    closed = connection.execute(
        update(intents).where(intents.c.seq == intent.seq, intents.c.open).values(open=False, settled_at=now)
    )
    # Another process has settled it: everything below would count twice.
    if closed.rowcount == 0:
        return
    connection.execute(
        update(objects)
        .where(objects.c.intent == intent.seq)
        # no home: claimed by an earlier release
        .values(state=objects.c.outcome, region=func.coalesce(objects.c.home, objects.c.region), settled_at=now)
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
    for key in intent.plan.others:
        _touch(connection, Partition.parse(key, intent.log_type), intent.plan, now)
    if intent.log_type is LogType.VPC_DNS:
        _close_emptied(connection, [Partition.parse(key, intent.log_type) for key in intent.plan.partitions], now)
    # Additions leave certificates alone: reconciliation replaces them when it counts again.
    if intent.plan.mode is Mode.RELOAD or intent.plan.others:
        for key in (*intent.plan.partitions, *intent.plan.others):
            _withdraw_certificate(connection, Partition.parse(key, intent.log_type))
    keys = (*intent.plan.partitions, *intent.plan.others)
    recount_partitions(connection, (Partition.parse(key, intent.log_type) for key in keys))


def abandon_within(connection: Connection, intent: Intent) -> None:
    """Abandon an intent; see `IntentStore.abandon`."""
    gone = connection.execute(delete(intents).where(intents.c.seq == intent.seq, intents.c.open))
    if gone.rowcount:
        # a reload claims objects that an earlier publish settled: those stay settled
        connection.execute(
            update(objects)
            .where(objects.c.intent == intent.seq, objects.c.state.not_in(SETTLED))
            .values(intent=None, outcome=None, home=None)
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
        update(partitions).where(rows_of(partitions, partition)).values(version=partitions.c.version + 1, **values)
    )
    if changed.rowcount == 0:
        connection.execute(insert(partitions).values(columns_of(partition) | {"version": 1} | values))


def _touch(connection: Connection, partition: Partition, plan: Plan, now: datetime) -> None:
    """Count a change of a partition that was not audited. Objects that it lacked are still missing."""
    if _is_empty(connection, partition):
        _bump(connection, partition, plan, now)
        return
    changed = connection.execute(
        update(partitions)
        .where(rows_of(partitions, partition))
        .values(version=partitions.c.version + 1, updated_at=now)
    )
    if changed.rowcount == 0:
        _bump(connection, partition, plan, now)


def _close_emptied(connection: Connection, published: Sequence[Partition], now: datetime) -> None:
    """End the failure of partitions of the region ``unknown`` whose objects have all found their region."""
    accounts, days = sorted({one.account for one in published}), {one.day for one in published}
    for start in range(0, len(accounts), 500):
        failed = (
            (partitions.c.log_type == LogType.VPC_DNS)
            & partitions.c.account.in_(accounts[start : start + 500])
            & (partitions.c.region == UNKNOWN_REGION)
            & partitions.c.day.in_(days)
            & (partitions.c.state == "failed")
        )
        for row in connection.execute(select(partitions).where(failed)).all():
            place = partition_of(row)
            if _is_empty(connection, place):
                values = {"state": "published", "detail": "", "updated_at": now}
                connection.execute(update(partitions).where(rows_of(partitions, place)).values(values))


def _withdraw_certificate(connection: Connection, partition: Partition) -> None:
    """Delete the certificate of a partition that has no object any more: nothing would renew it."""
    if _is_empty(connection, partition):
        connection.execute(delete(certificates).where(rows_of(certificates, partition)))


def _is_empty(connection: Connection, partition: Partition) -> bool:
    here = rows_of(objects, partition) & objects.c.state.not_in(NOT_COUNTED)
    return connection.scalar(select(objects.c.id).where(here).limit(1)) is None
