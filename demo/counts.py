"""How many objects and records are where: as the ledger and the tables say, and as it must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from demo.sample import DNS, FLOW, Truth
from vpclogs.ledger import Ledger
from vpclogs.partitions import LogType
from vpclogs.querying.process import Tables, run_query
from vpclogs.settings import Settings

__all__ = ["Counts"]

_TITLES = {DNS: "AWS.VPCDns", FLOW: "AWS.VPCFlow"}


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one log: objects by fate, records by place. What is found and what is expected have the same form."""

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
    def found(cls, settings: Settings, log: str) -> Counts:
        """Objects by the ledger, records by queries over the tables."""
        certificates = [status.certificate for status in Ledger(settings.ledger).partitions.status(LogType(log))]
        by_partition = f"select p_account || '|' || p_region || '|' || p_day, count(*) from {log} group by 1"
        by_reason = f"select reason, count(*) from quarantine where p_log_type = '{_TITLES[log]}' group by 1"
        rows = dict(map(tuple, _select(by_partition, settings)))
        reasons = dict(map(tuple, _select(by_reason, settings)))
        [(row_ids,)] = _select(f"select count(distinct p_row_id) from {log}", settings)
        return cls(
            listed=sum(one.listed for one in certificates),
            loaded=sum(one.loaded for one in certificates),
            refused=sum(one.refused for one in certificates),
            empty=sum(one.empty for one in certificates),
            row_ids=row_ids,
            rows=Counter(rows),
            quarantined=Counter(reasons),
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
