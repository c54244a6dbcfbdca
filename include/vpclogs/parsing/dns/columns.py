"""DNS records as coded columns, and their conversion to a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from vpclogs.parsing.coded import Coded, Codes, Positions, coded_type, offsets
from vpclogs.parsing.dns.indicators import indicator_columns
from vpclogs.parsing.dns.records import DnsRecord
from vpclogs.schemas.model import TIMESTAMP
from vpclogs.schemas.vpc_dns import VPC_DNS

__all__ = ["ANSWER", "ROWS", "TEXTS", "DnsColumns", "Extras"]

ROWS = pa.schema([field.with_type(coded_type(field.type)) for field in VPC_DNS.parsed])
"""The schema of parsed rows: the log's columns with dictionary-encoded texts."""

_SOURCE_IDS = tuple(field.name for field in VPC_DNS.by_key["srcids"].fields)
ANSWER = tuple(field.name for field in VPC_DNS.by_key["answers"].fields)
"""The text fields of one answer."""

TEXTS = (
    *(field.name for field in VPC_DNS.fields if field.type == pa.string()),
    *(f"srcids.{name}" for name in _SOURCE_IDS),
)
"""The text fields of one record; those of a struct are prefixed with its name."""


_NUMBER = re.compile(r"^answers\[[0-9]+\]")


@dataclass(frozen=True, slots=True)
class Extras:
    """The unknown keys of each record: ``codes`` index ``values``, -1 is none."""

    codes: Codes
    values: Sequence[Mapping[str, str]] = ()

    @classmethod
    def join(cls, parts: Sequence[Extras]) -> Extras:
        """Concatenate the records of several parts."""
        codes: list[Codes] = []
        values: list[Mapping[str, str]] = []
        for part in parts:
            codes.append(np.where(part.codes < 0, np.int32(-1), part.codes + np.int32(len(values))))
            values.extend(part.values)
        return cls(np.concatenate(codes), values)

    def names(self) -> list[set[str]]:
        """Return the names in each of ``values``, with answer numbers removed."""
        return [
            {_NUMBER.sub("answers[]", name) if name.startswith("answers[") else name for name in extra}
            for extra in self.values
        ]

    def array(self) -> pa.Array:
        """Return the column ``p_extra``."""
        kind = VPC_DNS.parsed.field("p_extra").type
        if not self.values:
            return pa.nulls(len(self.codes), kind)
        # Distinct mappings only: lines of one writer share theirs.
        items = [item for extra in self.values for item in sorted(extra.items())]
        maps = pa.MapArray.from_arrays(
            offsets(np.fromiter(map(len, self.values), np.int64, len(self.values))),
            pa.array([name for name, _ in items], pa.string()),
            pa.array([text for _, text in items], pa.string()),
            type=kind,
        )
        return maps.take(pa.array(self.codes, mask=self.codes < 0))


@dataclass(frozen=True, slots=True)
class DnsColumns:
    """Records in columns. ``lines`` are their lines in the block, counted from 0.

    ``times`` are microseconds since the epoch; ``texts`` are keyed by the names in `TEXTS`. ``counts`` is the number
    of answers of each record; ``answers`` holds the answers of all records one after another, keyed by the names in
    `ANSWER`.
    """

    lines: Positions
    times: Positions
    texts: dict[str, Coded]
    counts: Positions
    answers: dict[str, Coded]
    extras: Extras

    @classmethod
    def of(cls, lines: Sequence[int], records: Sequence[DnsRecord]) -> DnsColumns:
        """Return the columns of individually read records."""
        answers = [answer for record in records for answer in record.values["answers"]]
        extras = [record.extra for record in records if record.extra]
        has_extra = np.array([bool(record.extra) for record in records], np.bool_)
        return cls(
            np.array(lines, np.int64),
            np.array([record.values["query_timestamp"] for record in records], np.int64),
            {name: Coded.of([_text(record, name) for record in records]) for name in TEXTS},
            np.array([len(record.values["answers"]) for record in records], np.int64),
            {name: Coded.of([answer[name] for answer in answers]) for name in ANSWER},
            Extras(np.where(has_extra, np.cumsum(has_extra) - 1, -1).astype(np.int32), extras),
        )

    @classmethod
    def join(cls, parts: Sequence[DnsColumns]) -> DnsColumns:
        """Return the records of all parts in the order of their lines."""
        if len(parts) == 1:
            return parts[0]
        joined = cls(
            np.concatenate([part.lines for part in parts]),
            np.concatenate([part.times for part in parts]),
            {name: Coded.join([part.texts[name] for part in parts]) for name in TEXTS},
            np.concatenate([part.counts for part in parts]),
            {name: Coded.join([part.answers[name] for part in parts]) for name in ANSWER},
            Extras.join([part.extras for part in parts]),
        )
        # Each part is in order, but their lines alternate.
        return joined.pick(np.argsort(joined.lines))

    def pick(self, rows: Positions) -> DnsColumns:
        """Return the given records, in their order."""
        counts = self.counts[rows]
        # From a record's place in the new answers to its place in the old ones.
        shifts = (np.cumsum(self.counts) - self.counts)[rows] - (np.cumsum(counts) - counts)
        places = np.repeat(shifts, counts) + np.arange(counts.sum())
        return DnsColumns(
            self.lines[rows],
            self.times[rows],
            {name: column.pick(rows) for name, column in self.texts.items()},
            counts,
            {name: column.pick(places) for name, column in self.answers.items()},
            Extras(self.extras.codes[rows], self.extras.values),
        )

    def table(self) -> pa.Table:
        """Return the rows with the columns of `ROWS`."""
        times = pa.array(self.times).cast(TIMESTAMP)
        answers = pa.StructArray.from_arrays(
            [self.answers[name].array() for name in ANSWER], fields=list(ROWS.field("answers").type.value_type)
        )
        source_ids = pa.StructArray.from_arrays(
            [self.texts[f"srcids.{name}"].array() for name in _SOURCE_IDS], fields=list(ROWS.field("srcids").type)
        )
        columns: dict[str, pa.Array] = {
            **{name: self.texts[name].array() for name in TEXTS if "." not in name},
            VPC_DNS.event_time: times,
            "answers": pa.ListArray.from_arrays(offsets(self.counts), answers, type=ROWS.field("answers").type),
            "srcids": source_ids,
            "p_event_time": times,
            **indicator_columns(self.texts, self.counts, self.answers),
            "p_extra": self.extras.array(),
        }
        return pa.Table.from_arrays([columns[name] for name in ROWS.names], schema=ROWS)


def _text(record: DnsRecord, name: str) -> str | None:
    outer, _, inner = name.partition(".")
    value = record.values[outer]
    text: str | None = value[inner] if inner else value
    return text
