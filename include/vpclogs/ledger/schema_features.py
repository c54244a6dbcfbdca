"""Features of each source's records seen so far, by account and region."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, func, insert, select, update

from vpclogs.ledger.database import Database
from vpclogs.ledger.monitor_tables import traits
from vpclogs.ledger.tables import manifests, staged_batches
from vpclogs.profile.counter import OTHERS

__all__ = ["SchemaFeature", "FeatureStore"]

_OVERLAP = timedelta(minutes=5)  # between a batch's time and its commit
_MOST_NAMES = 200  # per kind, account and region: the writer of the records chooses the names of unknown fields
_KEY = ("log_type", "source", "account", "region", "kind", "name")


class SchemaFeature(NamedTuple):
    """A feature of the records of a source, account and region, such as a version or a filled column.

    An empty name means that there are any records.
    """

    log_type: str
    source: str
    account: str
    region: str
    kind: str
    name: str


def _group(trait: SchemaFeature) -> tuple[str, ...]:
    return trait[:-1]


class FeatureStore:
    """The table ``traits``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def staged(self, *, since: datetime) -> Iterator[tuple[datetime, str, Mapping[str, Any]]]:
        """Yield (time, log type, statistics by partition key) of batches staged since ``since`` or the last `keep`."""
        columns = (staged_batches.c.staged_at, staged_batches.c.result, manifests.c.log_type)
        query = select(*columns).join(manifests, manifests.c.id == staged_batches.c.manifest)
        with self._database.read() as connection:
            last = connection.scalar(select(func.max(traits.c.updated_at)))
            # Batches commit out of order; reading a few twice is harmless, as `keep` is idempotent.
            start = since if last is None else max(since, last - _OVERLAP)
            query = query.where(staged_batches.c.staged_at >= start).execution_options(yield_per=10)
            for row in connection.execute(query):
                yield row.staged_at, row.log_type, row.result["statistics"]

    def keep(
        self, seen: Iterable[tuple[SchemaFeature, date, str | None]], *, staged_at: datetime, now: datetime
    ) -> None:
        """Record the path day on which each feature was seen, with an example. Idempotent.

        Each kind keeps 200 names per account and region; further ones count as the one feature `OTHERS`.
        ``staged_at`` is the time of the last batch read.
        """
        with self._database.write() as connection:
            known = {
                SchemaFeature(*(getattr(row, name) for name in _KEY)): row for row in connection.execute(select(traits))
            }
            merged = _merged(known, seen)
            for trait, days in merged.items():
                values = asdict(days)
                row = known.get(trait)
                if row is None:
                    new = trait._asdict() | values | {"noticed_at": now, "updated_at": staged_at}
                    connection.execute(insert(traits).values(new))
                elif trait.name == "" or any(getattr(row, name) != value for name, value in values.items()):
                    same = [traits.c[name] == value for name, value in zip(_KEY, trait, strict=True)]
                    connection.execute(update(traits).where(*same).values(values | {"updated_at": staged_at}))

    def all(self) -> list[Row[Any]]:
        """Return all features."""
        with self._database.read() as connection:
            return list(connection.execute(select(traits)))


@dataclass(slots=True)
class _Days:
    """The days on which a feature was seen, and an example."""

    first_day: date
    last_day: date
    days: int
    example: str | None


def _merged(
    known: Mapping[SchemaFeature, Row[Any]], seen: Iterable[tuple[SchemaFeature, date, str | None]]
) -> dict[SchemaFeature, _Days]:
    merged: dict[SchemaFeature, _Days] = {}
    names = Counter(_group(trait) for trait in known)
    # Sorted, so that days are counted in order and the same names pass the limit every time.
    for one, day, example in sorted(seen, key=lambda one: one[:2]):
        is_new = one not in known and one not in merged
        trait = one._replace(name=OTHERS) if is_new and names[_group(one)] >= _MOST_NAMES else one
        names[_group(one)] += is_new
        row = known.get(trait)
        now = merged.setdefault(
            trait,
            _Days(day, day, 1, example) if row is None else _Days(row.first_day, row.last_day, row.days, row.example),
        )
        now.days += day > now.last_day  # a day that is loaded late is not counted again
        now.first_day, now.last_day = min(day, now.first_day), max(day, now.last_day)
    return merged
