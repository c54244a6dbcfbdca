"""Read the columns of a flow log's text with Arrow, strictly.

Arrow accepts integers that `vpclogs.parsing.flow.rules` refuses, so such input never reaches it as numbers:
unsigned types refuse signs, lines with ``0x`` are read as text, and the only white space that arrives here is single
spaces and newlines (`vpclogs.parsing.flow.lines`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from vpclogs.parsing.flow.columns import MAX_DIGITS, TEXT, Mask, codes_of
from vpclogs.parsing.flow.header import FlowHeader

__all__ = ["empty_texts", "not_numbers", "read_columns"]

_CHUNK_BYTES = 2 << 20  # small enough that tokenized data stays in the processor's cache until it is converted
_BOM = b"\xef\xbb\xbf"


def read_columns(
    pieces: Sequence[bytes | memoryview], header: FlowHeader, as_text: Container[str], longest: int
) -> tuple[dict[str, pa.Array], list[int]]:
    """Return the columns by name, and the positions of lines that have more or fewer values.

    ``pieces`` are whole lines each, none empty. Texts are `TEXT`; numbers are unsigned, or `TEXT` if their name is in
    ``as_text``. Null represents ``-``. No line is longer than ``longest`` bytes, including its newline.

    Raises:
        pyarrow.ArrowInvalid: a value read as a number is not one.
    """
    uneven: list[int] = []

    def skip(row: csv.InvalidRow) -> str:
        uneven.append(row.number - 1)
        return "skip"

    # Arrow would drop a byte order mark that starts a value of the first line
    marked = bytes(pieces[0][:3]) == _BOM
    if marked:
        pieces = [b" ".join([b"-"] * len(header.names)) + b"\n", *pieces]
    table = _read(pieces, header, as_text, longest, skip)
    # Arrow makes a dictionary for each chunk that it reads.
    table = table.unify_dictionaries().combine_chunks()
    if marked:
        table, uneven = table.slice(1), [place - 1 for place in uneven]
    return {name: table.column(name).chunk(0) for name in header.names}, uneven


def _read(
    pieces: Sequence[bytes | memoryview],
    header: FlowHeader,
    as_text: Container[str],
    longest: int,
    skip: Callable[[csv.InvalidRow], str],
) -> pa.Table:
    return csv.read_csv(
        pa.py_buffer(pieces[0]) if len(pieces) == 1 else pa.PythonFile(_Pieces(pieces), mode="r"),
        read_options=csv.ReadOptions(
            column_names=list(header.names), use_threads=False, block_size=max(_CHUNK_BYTES, longest)
        ),
        # A quote is an ordinary character in a flow log.
        parse_options=csv.ParseOptions(delimiter=" ", quote_char=False, escape_char=False, invalid_row_handler=skip),
        convert_options=csv.ConvertOptions(
            column_types=_types(header, as_text), null_values=["-"], strings_can_be_null=True, check_utf8=False
        ),
    )


class _Pieces:
    """A file of the pieces. Arrow reads a few MB at a time; joining all pieces costs more than parsing some."""

    closed = False

    def __init__(self, pieces: Sequence[bytes | memoryview]) -> None:
        self._left = deque(memoryview(piece) for piece in pieces)

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end."""
        found = []
        while self._left and size:
            piece = self._left.popleft()
            if len(piece) > size:
                self._left.appendleft(piece[size:])
                piece = piece[:size]
            found.append(piece)
            size -= len(piece)
        return b"".join(found)


def _types(header: FlowHeader, as_text: Container[str]) -> dict[str, pa.DataType]:
    return {name: pa.uint64() if name in header.numbers and name not in as_text else TEXT for name in header.names}


def not_numbers(columns: Mapping[str, pa.Array], names: Iterable[str]) -> frozenset[str]:
    """Return the names of columns, read as texts, that Arrow might refuse to read as numbers."""
    texts = {name: columns[name].dictionary for name in names}
    return frozenset(
        name
        for name, distinct in texts.items()
        if not pc.all(pc.ascii_is_decimal(distinct)).as_py()
        or (pc.max(pc.binary_length(distinct)).as_py() or 0) > MAX_DIGITS
    )


def empty_texts(columns: Mapping[str, pa.Array]) -> dict[str, Mask]:
    """Return, by column, a mask of rows with an empty text: they have more spaces than AWS writes."""
    masks = {}
    for name, column in columns.items():
        if column.type == TEXT and (place := column.dictionary.index("").as_py()) >= 0:
            masks[name] = codes_of(column) == place
    return masks
