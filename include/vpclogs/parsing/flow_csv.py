"""Reading the columns of a flow log's text with Arrow, strictly.

Arrow's integers are laxer than ours: what it would take that `vpclogs.parsing.flow_verdicts`
refuses is kept from it. Unsigned types refuse signs, lines with ``0x`` are read as text,
and no white space but single spaces and newlines comes here (`vpclogs.parsing.flow_lines`).
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import pyarrow as pa
import pyarrow.csv as csv

from vpclogs.parsing.flow_columns import TEXT, Mask, codes_of
from vpclogs.parsing.flow_header import FlowHeader

__all__ = ["empty_texts", "read_columns"]

_CHUNK_BYTES = 2 << 20  # what Arrow tokenises stays in the processor's cache until it is converted
_BOM = b"\xef\xbb\xbf"


def read_columns(
    text: bytes | memoryview, header: FlowHeader, as_text: Container[str], longest: int
) -> tuple[dict[str, pa.Array], list[int]]:
    """The columns by name, and the places of the lines that have more or fewer values.

    Texts are `TEXT`; numbers are unsigned, or `TEXT` too if their name is in ``as_text``.
    Null stands for ``-``. No line is longer than ``longest`` bytes, its newline included.

    Raises:
        pyarrow.ArrowInvalid: a number that is read as such is none.
    """
    uneven: list[int] = []

    def skip(row: csv.InvalidRow) -> str:
        uneven.append(row.number - 1)
        return "skip"

    # Arrow would drop a byte order mark that stands where a value of the first line begins
    marked = bytes(text[:3]) == _BOM
    if marked:
        text = b" ".join([b"-"] * len(header.names)) + b"\n" + text
    table = csv.read_csv(
        pa.py_buffer(text),
        read_options=csv.ReadOptions(
            column_names=list(header.names), use_threads=False, block_size=max(_CHUNK_BYTES, longest)
        ),
        parse_options=csv.ParseOptions(delimiter=" ", quote_char=False, escape_char=False, invalid_row_handler=skip),
        convert_options=csv.ConvertOptions(
            column_types=_types(header, as_text), null_values=["-"], strings_can_be_null=True, check_utf8=False
        ),
    )
    table = table.unify_dictionaries().combine_chunks()
    if marked:
        table, uneven = table.slice(1), [place - 1 for place in uneven]
    return {name: table.column(name).chunk(0) for name in header.names}, uneven


def _types(header: FlowHeader, as_text: Container[str]) -> dict[str, pa.DataType]:
    return {name: pa.uint64() if name in header.numbers and name not in as_text else TEXT for name in header.names}


def empty_texts(columns: Mapping[str, pa.Array]) -> dict[str, Mask]:
    """The rows with an empty text, by column: there are more spaces there than AWS writes."""
    masks = {}
    for name, column in columns.items():
        if column.type == TEXT and (place := column.dictionary.index("").as_py()) >= 0:
            masks[name] = codes_of(column) == place
    return masks
