"""From objects to events: open each container, cut it into blocks, parse, keep the books."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import IO

from vpclogs.parsing.blocks import BlockResult, TextParser
from vpclogs.parsing.model import Event, ObjectInput, ParseLimits
from vpclogs.partitions import LogType

__all__ = ["parse"]

ParquetParser = Callable[[int, IO[bytes], ParseLimits], Iterator[BlockResult]]
"""(ordinal of the object, the whole file, seekable, limits) -> results, row group by row group."""


def parse(log_type: LogType, inputs: Iterable[ObjectInput], *, limits: ParseLimits | None = None) -> Iterator[Event]:
    """Parse the objects in order. Exactly one `ObjectEnd` per input, whatever happens."""
    raise NotImplementedError


def _text_parser(log_type: LogType, limits: ParseLimits) -> TextParser:
    # Imported here because the parsers are costly to import and a process needs one of them.
    if log_type is LogType.VPC_DNS:
        from vpclogs.parsing.dns import DnsParser

        return DnsParser(limits)
    from vpclogs.parsing.flow_text import FlowTextParser

    return FlowTextParser(limits)


def _parquet_parser(log_type: LogType) -> ParquetParser | None:
    """How to read the log's Parquet form, None if it has none."""
    if log_type is LogType.VPC_DNS:
        return None
    from vpclogs.parsing.flow_parquet import parse_parquet

    return parse_parquet
