"""Counts of objects and records: those of the ledger and the tables, and those of the sample's truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from demo.sample import DNS, FLOW, Truth
from demo.sample.truth import EMPTY, LOADED, REFUSED
from vpclogs.config.settings import Settings
from vpclogs.ledger import Ledger
from vpclogs.ledger.states import NOT_COUNTED
from vpclogs.ledger.tables import objects
from vpclogs.querying.process import Tables, run_query

__all__ = ["Counts"]

_TITLES = {DNS: "AWS.VPCDns", FLOW: "AWS.VPCFlow"}


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of one log: objects by outcome, records by table. Found and expected counts have the same form."""

    listed: int
    loaded: int
    refused: int
    empty: int
    row_ids: int  # distinct ones
    rows: Counter[str]  # in the table, by partition
    quarantined: Counter[str]  # rows in quarantine, by reason; one for each refused record or object

    @property
    def quarantined_records(self) -> int:
        return self.quarantined.total() - self.refused

    @classmethod
    def found(cls, settings: Settings, log: str, truth: Truth) -> Counts:
        """Objects by the ledger, records by queries over the tables; only of the objects that the generator made."""
        made = {one.key for one in truth.of(log)}
        columns = objects.c.key, objects.c.state
        query = select(*columns).where(objects.c.log_type == log, objects.c.state.not_in(NOT_COUNTED))
        with Ledger(settings.ledger).database.read() as connection:
            states = [state for key, state in connection.execute(query) if key in made]
        partition = "p_account || '|' || p_region || '|' || p_day"
        rows, row_ids, reasons = Counter[str](), 0, Counter[str]()
        by_object = f"select p_source_key, {partition}, count(*), count(distinct p_row_id) from {log} group by 1, 2"
        for key, where, count, distinct in _select(by_object, settings):
            if key in made:
                rows[where] += count
                row_ids += distinct
        mine = f"p_log_type = '{_TITLES[log]}'"
        by_reason = f"select p_source_key, reason, count(*) from quarantine where {mine} group by 1, 2"
        for key, reason, count in _select(by_reason, settings):
            if key in made:
                reasons[reason] += count
        counted = Counter(states)
        return cls(
            listed=len(states),
            loaded=counted[LOADED],
            refused=counted[REFUSED],
            empty=counted[EMPTY],
            row_ids=row_ids,
            rows=rows,
            quarantined=reasons,
        )

    @classmethod
    def expected(cls, truth: Truth, log: str) -> Counts:
        """As the sample's generator knows it."""
        whole = truth.totals(log)
        return cls(
            listed=whole.objects,
            loaded=whole.loaded,
            refused=whole.refused_objects,
            empty=whole.empty,
            row_ids=whole.good,
            rows=Counter({key: truth.totals(log, partition=key).good for key in truth.partitions(log)}),
            quarantined=truth.reasons(log),
        )

    def differences(self, expected: Counts) -> Iterator[str]:
        """One line for each count that is not as expected."""
        for name in ("listed", "loaded", "refused", "empty", "row_ids"):
            if getattr(self, name) != getattr(expected, name):
                yield f"{name}: {getattr(self, name)}, expected {getattr(expected, name)}"
        for name in ("rows", "quarantined"):
            has, wants = getattr(self, name), getattr(expected, name)
            for key in sorted(has | wants):
                if has[key] != wants[key]:
                    yield f"{name} of {key}: {has[key]}, expected {wants[key]}"


def _select(sql: str, settings: Settings) -> list[list[Any]]:
    """Return the rows of a query."""
    with run_query(sql, Tables(settings.catalog, settings.namespace), settings.query) as result:
        return list(result.rows)
