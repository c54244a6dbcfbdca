"""Small objects that are meant to do harm.

``python -m tests.hostile.corpus FOLDER`` writes all of them to files.
"""

from __future__ import annotations

import gzip
import io
import random
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.pipelines import event

__all__ = ["CORPUS", "HEADER", "flow_records", "new_field_per_record", "packed", "parquet", "shared"]

HEADER = (
    b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "
    b"action log-status\n"
)


def packed(text: bytes) -> bytes:
    """Return the text as one gzip member."""
    return gzip.compress(text, 9, mtime=0)


def new_field_per_record(records: int) -> bytes:
    """Return DNS records, each with an unknown field that no other record has."""
    text = event()[:-1]
    return b"".join(text + b',"u%d":1}\n' % number for number in range(records))


def flow_records(records: int, *, odd: bytes = b"", every: int = 1) -> bytes:
    """Return a flow log of version 2 with an ``odd`` line before every so many records."""
    rng, lines = random.Random(20260114), [HEADER]
    for number in range(records):
        if odd and number % every == 0:
            lines.append(odd)
        values = (rng.randrange(65536), rng.randrange(65536), rng.randrange(1, 1000), rng.randrange(40, 1_000_000))
        text = b"2 123456789012 eni-%08x 10.0.0.1 10.0.0.2 %d %d 6 %d %d 1665178000 1665178060 ACCEPT OK\n"
        lines.append(text % (number % 97, *values))
    return b"".join(lines)


def parquet(rows: int, columns: dict[str, pa.Array] | None = None, **options: Any) -> bytes:
    """Return a flow log of version 2 in Parquet, its rows all alike but for the further ``columns``."""
    numbers = {"version": 2, "srcport": 1, "dstport": 2, "protocol": 6, "packets": 1, "bytes": 1}
    times = {"start": 1665178000, "end": 1665178060}
    texts = {"account_id": "123456789012", "interface_id": "eni-1", "srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2"}
    texts |= {"action": "ACCEPT", "log_status": "OK"}
    table = {name: pa.array([value] * rows, pa.int64()) for name, value in (numbers | times).items()}
    table |= {name: pa.array([value] * rows) for name, value in texts.items()}
    stream = io.BytesIO()
    pq.write_table(pa.table(table | (columns or {})), stream, **{"compression": "zstd"} | options)
    return stream.getvalue()


def shared(text: str, rows: int) -> pa.Array:
    """Return a column that refers to the one text in every row."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))


CORPUS = {
    "dictionary_bomb.parquet": lambda: parquet(2000, {"odd": shared("x" * (2 << 20), 2000)}),
    "dictionary_of_good_cells.parquet": lambda: parquet(2000, {"odd": shared("x" * (900 << 10), 2000)}),
    "one_huge_cell.parquet": lambda: parquet(3, {"odd": pa.array(["x" * (200 << 20), "", ""])}),
    "repeated_beginnings.parquet": lambda: parquet(
        2000,
        {"odd": pa.array(["x" * (500 << 10)] * 2000)},
        use_dictionary=False,
        column_encoding={"odd": "DELTA_BYTE_ARRAY"},
    ),
    "one_repeated_row.parquet": lambda: parquet(1_000_000),
    "very_many_columns.parquet": lambda: parquet(10, {f"c{number}": pa.array(["x"] * 10) for number in range(300)}),
    "line_breaks.log.gz": lambda: packed(HEADER + b"\n" * (16 << 20)),
    "tiny_bad_lines.log.gz": lambda: packed(HEADER + b"x\n" * (1 << 20)),
    "bad_lines.log.gz": lambda: packed(HEADER + b"no record at all\n" * (1 << 20)),
    "half_bad_lines.log.gz": lambda: packed(flow_records(20_000, odd=b"no record at all\n")),
    "one_repeated_record.log.gz": lambda: packed(HEADER + flow_records(1).splitlines(keepends=True)[1] * 200_000),
    "empty_members.log.gz": lambda: packed(b"") * 200_000,
    "new_field_per_record.log.gz": lambda: packed(new_field_per_record(50_000)),
}
"""What makes each object, by file name."""


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in CORPUS.items():
        (folder / name).write_bytes(make())
