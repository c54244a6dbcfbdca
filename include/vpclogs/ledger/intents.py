"""Intents: each publish is recorded here before the tables change and settled afterwards.

An intent lists exactly the changes of one publish. The transaction that writes it also claims its objects, so two
publishes never hold one object, and at most one intent per log type is open at a time. Completing an intent is
idempotent, and any process that finds one open can do it. A crash between the table commit and the ledger therefore
neither loses nor repeats rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Connection, Row, and_, bindparam, insert, select, update

from vpclogs.errors import VpcLogsError
from vpclogs.intents import Brought, Committed, Contested, Intent, Plan
from vpclogs.ledger.database import Database
from vpclogs.ledger.expirations import counts_within
from vpclogs.ledger.settling import abandon_within, settle_within
from vpclogs.ledger.states import SETTLED
from vpclogs.ledger.tables import intents, manifests, objects, partitions
from vpclogs.manifests import Mode
from vpclogs.partitions import LogType, Partition
from vpclogs.staged import ObjectOutcome

__all__ = ["IntentStore", "open_within"]


class IntentStore:
    """The table ``intents``, and the claims in ``objects``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self,
        plan: Plan,
        outcomes: Sequence[ObjectOutcome],
        *,
        manifest: int,
        log_type: LogType,
        versions: Mapping[str, int],
        cuts: Mapping[str, int],
        now: datetime,
    ) -> Intent | Contested:
        """Claim the objects and write the intent, all or nothing.

        ``versions`` are the versions of the partitions that the plan was made from, 0 for a new
        partition. ``cuts`` are the expiration counts read before the plan's bases, which guarantees
        that the history after the bases still exists.

        Raises:
            VpcLogsError: the manifest is so old that its staged files were cleaned up.
        """
        with self._database.write() as connection:
            # In this transaction, so that clean-up never removes a file of a claimed intent.
            if connection.scalar(select(manifests.c.cleaned_at).where(manifests.c.id == manifest)) is not None:
                raise VpcLogsError(f"run {plan.run_key}: what it staged was cleaned up. Clear all of the run's tasks.")
            # One open intent per log: completing needs no order among several, and a crash leaves one to find.
            if connection.scalar(select(intents.c.seq).where(intents.c.log_type == log_type, intents.c.open).limit(1)):
                return Contested()
            now_there = self._versions(connection, log_type, plan.partitions)
            # Compare-and-swap: the plan is only valid for the state that it was made from.
            if any(now_there.get(key, 0) != versions.get(key, 0) for key in (*plan.partitions, *plan.others)):
                return Contested()
            counts = counts_within(connection)
            if any(counts.get(name, 0) != cuts.get(name, 0) for name in plan.bases):
                return Contested()
            if plan.mode is Mode.ADD:
                # Their rows are in the tables already and only change their partition.
                moving = frozenset(plan.rehomed)
                if taken := self._taken(connection, [o.identity for o in outcomes if o.identity not in moving]):
                    return Contested(taken)
            row = {
                "id": uuid4().hex,
                "manifest": manifest,
                "log_type": log_type.value,
                "open": True,
                "document": msgspec.to_builtins(plan),
                "created_at": now,
            }
            key = connection.execute(insert(intents).values(row)).inserted_primary_key
            assert key is not None  # noqa: S101 - an insert of one row has a key
            # Outcomes are written with the claim, so that whoever completes the intent needs no staged batch.
            _claim_objects(connection, key[0], outcomes)
            return _intent(connection.execute(select(intents).where(intents.c.seq == key[0])).one())

    def open(self, log_type: LogType) -> Intent | None:
        """Return the open intent of a log type, if any."""
        return self._one(and_(intents.c.log_type == log_type, intents.c.open))

    def published(self, manifest: int) -> frozenset[str]:
        """Return the keys of the partitions of a manifest that were published."""
        return frozenset(key for plan in self._settled(manifest) for key in plan.partitions)

    def committed(self, manifest: int) -> Committed:
        """Return the changes that the publishes of a manifest made to the tables."""
        plans = self._settled(manifest)
        brought: dict[str, Brought] = {}
        for plan in plans:
            for key, one in plan.brought.items():
                before = brought.get(key, Brought())
                brought[key] = Brought(before.rows + one.rows, before.quarantined + one.quarantined)
        return Committed(brought, sum(plan.objects for plan in plans), sum(len(plan.rehomed) for plan in plans))

    def _settled(self, manifest: int) -> list[Plan]:
        query = select(intents.c.document).where(intents.c.manifest == manifest, ~intents.c.open)
        with self._database.read() as connection:
            return [msgspec.convert(document, Plan) for document in connection.scalars(query)]

    def is_open(self, seq: int) -> bool:
        """Return True while the intent waits for its commit or its ledger entry."""
        with self._database.read() as connection:
            return bool(connection.scalar(select(intents.c.open).where(intents.c.seq == seq)))

    def known(self, intent_id: str) -> bool:
        """Return True if the ledger has this intent."""
        with self._database.read() as connection:
            return connection.scalar(select(intents.c.seq).where(intents.c.id == intent_id)) is not None

    def settle(self, intent: Intent, *, now: datetime) -> None:
        """Record that the tables hold the intent's changes. Idempotent."""
        with self._database.write() as connection:
            settle_within(connection, intent, now)

    def abandon(self, intent: Intent) -> None:
        """Drop an intent that was never committed and never will be, and release its objects."""
        with self._database.write() as connection:
            abandon_within(connection, intent)

    def versions(self, log_type: LogType, keys: Sequence[str]) -> dict[str, int]:
        """Return how often each published partition of the keys' accounts and days was published."""
        with self._database.read() as connection:
            return self._versions(connection, log_type, keys)

    def _versions(self, connection: Connection, log_type: LogType, keys: Sequence[str]) -> dict[str, int]:
        wanted = [Partition.parse(key, log_type) for key in keys]
        # One query; some partitions too many, of the same accounts and days, are cheaper than one query each.
        query = select(partitions).where(
            partitions.c.log_type == log_type,
            partitions.c.account.in_({partition.account for partition in wanted}),
            partitions.c.day.in_({partition.day for partition in wanted}),
        )
        return {f"{row.account}|{row.region}|{row.day.isoformat()}": row.version for row in connection.execute(query)}

    def _taken(self, connection: Connection, identities: Sequence[str]) -> frozenset[str]:
        taken: set[str] = set()
        # Databases limit the number of parameters of a statement.
        for start in range(0, len(identities), 500):
            query = select(objects.c.identity).where(
                objects.c.identity.in_(identities[start : start + 500]),
                objects.c.intent.is_not(None) | objects.c.state.in_(SETTLED),
            )
            taken.update(connection.scalars(query))
        return frozenset(taken)

    def _one(self, where: Any) -> Intent | None:
        with self._database.read() as connection:
            row = connection.execute(select(intents).where(where).order_by(intents.c.seq).limit(1)).first()
        return None if row is None else _intent(row)


def open_within(connection: Connection) -> list[Intent]:
    """Return the open intents of all log types, within a transaction."""
    return [_intent(row) for row in connection.execute(select(intents).where(intents.c.open))]


def _claim_objects(connection: Connection, seq: int, outcomes: Sequence[ObjectOutcome]) -> None:
    if not outcomes:
        return
    statement = (
        update(objects)
        .where(objects.c.identity == bindparam("of"))
        .values(
            intent=seq,
            outcome=bindparam("to_state"),
            home=bindparam("to_region"),
            rows=bindparam("n_rows"),
            refused=bindparam("n_refused"),
            raw_bytes=bindparam("n_bytes"),
            reason=bindparam("why"),
            detail=bindparam("sentence"),
        )
    )
    rows = [
        {
            "of": o.identity,
            "to_state": o.state,
            "to_region": o.partition.split("|")[1],
            "n_rows": o.rows,
            "n_refused": o.refused,
            "n_bytes": o.raw_bytes,
            "why": o.reason,
            "sentence": o.detail,
        }
        for o in outcomes
    ]
    connection.execute(statement, rows)


def _intent(row: Row[Any]) -> Intent:
    return Intent(
        seq=row.seq,
        id=row.id,
        manifest=row.manifest,
        log_type=LogType(row.log_type),
        open=row.open,
        plan=msgspec.convert(row.document, Plan),
        created_at=row.created_at,
    )
