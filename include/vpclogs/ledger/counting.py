"""The counts of partitions, kept in step with the tables that they are made from.

Counting all objects for each view would read the whole ledger. So every transaction that changes objects, states of
partitions or certificates ends with a new count of the accounts and days that it touched. The cost is that of their
objects, which the transaction has just read or written anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Integer,
    Select,
    and_,
    case,
    cast,
    delete,
    extract,
    false,
    func,
    insert,
    literal,
    select,
)

from vpclogs.ledger.states import NOT_COUNTED, SETTLED
from vpclogs.ledger.tables import certificates, objects, partition_counts, partitions
from vpclogs.partitions import Partition

__all__ = ["AccountDay", "recount", "recount_partitions"]

_AT_ONCE = 500  # accounts in one statement
_PLACE = ("log_type", "day", "account", "region")


class AccountDay(NamedTuple):
    """All partitions of an account and day, whatever the region: records decide about it, so objects may move."""

    log_type: str
    day: date
    account: str


def recount_partitions(connection: Connection, changed: Iterable[Partition]) -> None:
    """Count the partitions of these partitions' accounts and days, within the transaction that changed them."""
    recount(connection, {AccountDay(one.log_type.value, one.day, one.account) for one in changed})


def recount(connection: Connection, changed: Iterable[AccountDay]) -> None:
    """Count the partitions of accounts and days, within the transaction that changed them."""
    accounts: defaultdict[tuple[str, date], list[str]] = defaultdict(list)
    for one in sorted(set(changed)):
        accounts[one.log_type, one.day].append(one.account)
    for (log_type, day), names in accounts.items():
        for start in range(0, len(names), _AT_ONCE):
            _count(connection, log_type, day, names[start : start + _AT_ONCE])


def _count(connection: Connection, log_type: str, day: date, accounts: list[str]) -> None:
    def here(table: Any) -> Any:
        return (table.c.log_type == log_type) & (table.c.day == day) & table.c.account.in_(accounts)

    connection.execute(delete(partition_counts).where(here(partition_counts)))
    counted = _counted(connection.dialect.name).where(here(objects)).subquery()
    query = (
        select(
            *counted.c,
            func.coalesce(partitions.c.state, literal("pending")).label("state"),
            func.coalesce(certificates.c.complete, false()).label("complete"),
        )
        .outerjoin(partitions, _same_place(partitions, counted))
        .outerjoin(certificates, _same_place(certificates, counted))
    )
    columns = [column.name for column in query.selected_columns]
    connection.execute(insert(partition_counts).from_select(columns, query))


def _same_place(table: Any, other: Any) -> Any:
    return and_(*(table.c[name] == other.c[name] for name in _PLACE))


def _counted(dialect: str) -> Select[Any]:
    settled = objects.c.state.in_(SETTLED)
    done = settled | (objects.c.state == "gone")
    place = [objects.c[name] for name in _PLACE]
    return (
        select(
            *place,
            func.count().label("listed"),
            *(_total(objects.c.state == state, 1, state) for state in (*SETTLED, "gone")),
            func.sum(objects.c.size).label("bytes_listed"),
            _total(done, objects.c.size, "bytes_settled"),
            _total(settled, objects.c.rows, "rows"),
            _total(settled, objects.c.refused, "quarantined"),
            func.min(case((~done, objects.c.last_modified))).label("pending_since"),
            _total(objects.c.state == "loaded", _waited(dialect), "waited_seconds"),
        )
        # a rewritten object counts as its newest version only
        .where(objects.c.state.not_in(NOT_COUNTED))
        .group_by(*place)
    )


def _total(condition: Any, value: Any, label: str) -> Any:
    return func.sum(case((condition, value), else_=0)).label(label)


def _waited(dialect: str) -> Any:
    """Return the whole seconds from an object's LastModified until it was in the table."""
    if dialect == "sqlite":  # which has no intervals
        days = func.julianday(objects.c.settled_at) - func.julianday(objects.c.last_modified)
        return func.coalesce(cast(func.round(days * 86400), Integer), 0)
    return func.coalesce(func.round(extract("epoch", objects.c.settled_at - objects.c.last_modified)), 0)
