"""From objects to events: open each container, cut it into blocks, parse, keep the books."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from types import MappingProxyType

from vpclogs.foreign_text import logger
from vpclogs.parsing.blocks import Block, TextParser
from vpclogs.parsing.containers import Container, foreign_format, gunzip, plain_text, sniff, too_large
from vpclogs.parsing.lines import BlockBuilder, Stretch, cut_lines
from vpclogs.parsing.model import Event, ObjectInput, ObjectState, ObjectUnreadable, Parsed, ParseLimits, Refused
from vpclogs.parsing.object_counts import Account, settle
from vpclogs.partitions import LogType

__all__ = ["parse", "text_parser"]

_MAX_WAITING = 4096  # objects whose ends may wait for a block to fill
_MAX_HELD_REFUSED = 100_000  # they cost memory much beyond their bytes

log = logger(__name__)


def parse(log_type: LogType, inputs: Iterable[ObjectInput], limits: ParseLimits | None = None) -> Iterator[Event]:
    """Parse the objects in order. Each input has exactly one `ObjectEnd`.

    Inputs are taken one at a time, when they are needed. An object is verified whole
    before any of its rows is given out, unless it decompresses to more than
    ``limits.whole_object_bytes`` or has very many refused records: then its rows are
    `Parsed.provisional`.
    """
    return _Driver(log_type, limits or ParseLimits()).run(inputs)


class _Driver:
    def __init__(self, log_type: LogType, limits: ParseLimits) -> None:
        self._limits = limits
        self._regions: dict[int, str | None] = {}  # of the objects under way, for the parser
        self._text = text_parser(log_type, limits, regions=self._regions)
        self._has_parquet = log_type is LogType.VPC_FLOW  # AWS writes DNS query logs as text only
        self._builder = BlockBuilder(limits)
        self._waiting: list[Account] = []  # objects in the builder, and those that ended among them

    def run(self, inputs: Iterable[ObjectInput]) -> Iterator[Event]:
        for item in inputs:
            account = Account(item.ordinal)
            self._regions[item.ordinal] = item.region
            try:
                yield from self._read(account, item.chunks)
            except ObjectUnreadable as fate:
                account.fate = fate
            except MemoryError:
                raise  # the task's, not the object's
            except Exception as error:
                log.exception("reading %s failed", item.name)
                account.fate = ObjectUnreadable(ObjectState.FAILED, "read_failed", f"{type(error).__name__}: {error}")
            self._waiting.append(account)
            if self._builder.full or len(self._waiting) >= _MAX_WAITING:
                yield from self._flush()
        yield from self._flush()

    def _read(self, account: Account, chunks: Iterator[bytes]) -> Iterator[Event]:
        container, head, chunks = sniff(chunks)
        match container:
            case Container.EMPTY:
                raise ObjectUnreadable(ObjectState.EMPTY, "empty_object", "the object has no bytes")
            case Container.GZIP:
                yield from self._read_text(account, account.count(gunzip(chunks, self._limits)))
            case Container.TEXT:
                yield from self._read_text(account, account.count(plain_text(chunks, self._limits)))
            case Container.PARQUET if self._has_parquet:
                yield from self._flush()
                yield from self._hold(account, self._parse_parquet(account, account.count(chunks)))
            case _:
                found = foreign_format(head)
                detail = f"it is {found}; logs are gzip or plain text, flow logs also Parquet"
                raise ObjectUnreadable(ObjectState.REFUSED, "not_gzip", detail)

    def _read_text(self, account: Account, pieces: Iterator[bytes]) -> Iterator[Event]:
        items = cut_lines(account.ordinal, pieces, self._limits)
        # Its own until the object is read to its end: a damaged end must not leave lines in the shared block.
        builder = BlockBuilder(self._limits)
        for item in items:
            builder.add(account.ordinal, item)
            if builder.full:
                yield from self._flush()
                yield from self._hold(account, self._parse_large(account, builder, items))
                return
        self._builder.extend(builder)

    def _hold(self, account: Account, results: Iterator[Parsed]) -> Iterator[Parsed]:
        """Keep an object's results back until it has proved good; give them out early if they get too many."""
        held: list[Parsed] = []
        rows_bytes = refused = 0
        provisional = False
        for parsed in results:
            held.append(parsed)
            rows_bytes += parsed.rows.nbytes
            refused += len(parsed.refused)
            # Holding more would cost memory; the consumer then has to be able to take rows back.
            if max(account.raw_bytes, rows_bytes) > self._limits.whole_object_bytes or refused > _MAX_HELD_REFUSED:
                provisional = True
            if provisional:
                yield from (replace(one, provisional=True) for one in held)
                held.clear()
        if account.fate is None:
            yield from held

    def _parse_large(
        self, account: Account, builder: BlockBuilder, items: Iterable[Stretch | Refused]
    ) -> Iterator[Parsed]:
        """Parse an object whose first block is full, until its end or until it proves unreadable."""
        yield from self._parse(builder.take(), [account])
        for item in items:
            if account.fate is not None:
                return
            builder.add(account.ordinal, item)
            if builder.full:
                yield from self._parse(builder.take(), [account])
        yield from self._parse(builder.take(), [account])

    def _parse_parquet(self, account: Account, chunks: Iterator[bytes]) -> Iterator[Parsed]:
        # Imported here because most flow logs are text.
        from vpclogs.parsing.flow.parquet import parse_parquet

        # Parquet's footer is at the end, so the whole object is needed, on disk if it is large.
        with SpooledTemporaryFile(max_size=self._limits.whole_object_bytes) as file:
            for chunk in chunks:
                if account.raw_bytes > self._limits.max_object_bytes:
                    raise too_large(self._limits)
                file.write(chunk)
            file.seek(0)
            for result in parse_parquet(account.ordinal, file, self._limits, self._regions[account.ordinal]):
                yield from settle(result, (), [account])

    def _flush(self) -> Iterator[Event]:
        """Parse the small objects that were joined, and end them."""
        waiting, self._waiting = self._waiting, []
        yield from self._parse(self._builder.take(), waiting)
        for account in waiting:
            del self._regions[account.ordinal]
            yield account.end()

    def _parse(self, block: Block, accounts: list[Account]) -> Iterator[Parsed]:
        if not (block.parts or block.refused):
            return
        try:
            result = self._text.parse(block)
        except MemoryError:
            raise
        except Exception as error:
            log.exception("parsing a block of %d objects failed", len({part.object for part in block.parts}))
            yield from self._parse_apart(block, accounts, error)
        else:
            yield from settle(result, block.refused, accounts)

    def _parse_apart(self, block: Block, accounts: list[Account], error: Exception) -> Iterator[Parsed]:
        """The parser failed on a block: parse each object alone, so that only the culprit fails."""
        if len(accounts) == 1:
            accounts[0].fate = ObjectUnreadable(ObjectState.FAILED, "parser_failed", f"{type(error).__name__}: {error}")
            return
        for account in accounts:
            yield from self._parse(block.only(account.ordinal), [account])


def text_parser(
    log_type: LogType,
    limits: ParseLimits,
    *,
    regions: Mapping[int, str | None] = MappingProxyType({}),
    whole: bool = True,
) -> TextParser:
    """Return the parser of the log's text form.

    ``regions`` are those of flow log objects, by ordinal, if foreign records are to be refused.
    ``whole`` is True if all records of each object are parsed.
    """
    # Imported here because the parsers are costly to import and a process needs one of them.
    if log_type is LogType.VPC_DNS:
        from vpclogs.parsing.dns.parser import DnsParser

        return DnsParser(limits, whole=whole)
    from vpclogs.parsing.flow.text import FlowTextParser

    return FlowTextParser(limits, regions)
