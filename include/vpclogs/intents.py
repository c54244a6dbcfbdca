"""The record of a publish in the ledger: its plan, and its claim on objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from vpclogs.manifests import Mode
from vpclogs.partitions import LogType

__all__ = ["Brought", "Committed", "Contested", "Intent", "Plan", "Removal"]


class Removal(msgspec.Struct, frozen=True):
    """Rows that a publish deletes: a whole partition, or the given (bucket, key) objects in it.

    ``table`` limits the removal to one table; by default it applies to all.
    """

    partition: str
    keys: list[tuple[str, str]] | None = None
    table: str | None = None


class Brought(msgspec.Struct, frozen=True):
    """The rows and refused records that a publish brings to a partition, as its files hold them."""

    rows: int = 0
    quarantined: int = 0


class Plan(msgspec.Struct, frozen=True):
    """The changes that one publish makes.

    ``partitions`` are those of the run that it publishes. ``others`` change with them, because
    objects move between them and these. ``rehomed`` are the identities of the objects that are
    settled elsewhere and move. ``objects`` counts the objects that it settles.
    """

    mode: Mode
    run_key: str
    manifest_hash: str
    partitions: list[str]
    files: dict[str, list[str]]  # by table
    removals: list[Removal] = []
    replaced: list[int] = []  # ids of objects whose rows the removals delete for good
    bases: dict[str, int] = {}  # by table: its last sequence number before the claim
    moved: dict[str, int] = {}  # by object identity: records that move from the quarantine to the table
    others: list[str] = []
    rehomed: list[str] = []
    objects: int = 0
    brought: dict[str, Brought] = {}  # by partition

    @property
    def tables(self) -> list[str]:
        """The names of the tables that it changes."""
        return [name for name, files in self.files.items() if files or self.removals_in(name)]

    def removals_in(self, table: str) -> list[Removal]:
        """Return the removals that apply to a table."""
        return [removal for removal in self.removals if removal.table in (None, table)]


@dataclass(frozen=True, slots=True)
class Intent:
    """A publish recorded in the ledger."""

    seq: int
    id: str
    manifest: int
    log_type: LogType
    open: bool
    plan: Plan
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Committed:
    """All that the settled publishes of a manifest did: by partition, objects settled, objects that moved."""

    brought: Mapping[str, Brought]
    objects: int
    rehomed: int

    def of(self, partition: str) -> Brought:
        """Return the counts of one partition."""
        return self.brought.get(partition, Brought())

    @property
    def rows(self) -> int:
        """The rows that became visible."""
        return sum(one.rows for one in self.brought.values())

    @property
    def quarantined(self) -> int:
        """The refused records, and objects refused whole, that came to the quarantine."""
        return sum(one.quarantined for one in self.brought.values())


@dataclass(frozen=True, slots=True)
class Contested:
    """A refused claim: another publish is open, changed a partition or holds ``identities``, or a table expired."""

    identities: frozenset[str] = frozenset()
