"""Two million records on the fast path and on the general path: the same rows, the same refusals."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
import pytest

from demo.sample import dns_lines
from tests.include.vpclogs.parsing.dns_hostile import hostile_object
from vpclogs.parsing.blocks import Block, BlockResult, Part
from vpclogs.parsing.dns.columns import DnsColumns
from vpclogs.parsing.dns.fast.reader import FastReader
from vpclogs.parsing.dns.parser import DnsParser
from vpclogs.parsing.model import ParseLimits
from vpclogs.schemas.vpc_dns import VPC_DNS

RECORDS = 50_000


class GeneralPath(FastReader):
    """Takes no line, so that each is read by itself."""

    def read(self, block: Block) -> tuple[list[DnsColumns], npt.NDArray[np.int64]]:
        return [], np.arange(len(block.line_ends))


def block_of(seed: int) -> Block:
    """Lines as AWS writes them, one in a hundred of them broken, and hostile ones between them."""
    lines = dns_lines(np.random.default_rng(seed), RECORDS, dirty=0.01).splitlines(keepends=True)
    choose = random.Random(seed)
    lines += [line + b"\n" for line in hostile_object(choose, 2000, 0.5).split(b"\n")]
    choose.shuffle(lines)
    data = b"".join(lines)
    return Block(data, (Part(0, 0, len(data), 1, 0),))


def parse(block: Block, *, fast: bool) -> BlockResult:
    parser = DnsParser(ParseLimits())
    if not fast:
        parser._fast = GeneralPath()
    return parser.parse(block)


def whole_objects(result: BlockResult) -> dict[int, str]:
    """Why objects are refused whole."""
    return {ordinal: str(why) for ordinal, why in result.unreadable.items()}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(40))
def test_both_paths_give_the_same(seed: int) -> None:
    block = block_of(seed)

    fast, general = parse(block, fast=True), parse(block, fast=False)

    assert whole_objects(fast) == whole_objects(general)
    if whole_objects(general):
        return  # a major version of the future: the object's rows are taken out, however many were read
    assert len(general.rows) + len(general.refused) > RECORDS
    assert fast.lines.tolist() == general.lines.tolist()
    assert fast.rows.cast(VPC_DNS.parsed).equals(general.rows.cast(VPC_DNS.parsed))
    assert sorted(fast.refused, key=lambda one: one.line) == sorted(general.refused, key=lambda one: one.line)
    assert (fast.versions, fast.unknown_fields) == (general.versions, general.unknown_fields)
