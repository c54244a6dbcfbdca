"""A sample of the lines of an object, judged before a whole block is read.

To read columns and then refuse nearly every record costs many times as much as a good
block. A sample shows whether it is worth judging the first lines in turn.
"""

from __future__ import annotations

from vpclogs.parsing.blocks import Block
from vpclogs.parsing.flow.header import FlowHeader, is_header
from vpclogs.parsing.flow.lines import Segment
from vpclogs.parsing.flow.rules import judge
from vpclogs.parsing.patience import Counts, Patience

__all__ = ["preview"]

_SAMPLES = 8


def preview(block: Block, segment: Segment, region: str | None, patience: Patience) -> None:
    """Raise if the first lines of the segment show that its object, of ``region``, is to be refused whole.

    Raises:
        ObjectUnreadable: too few of them load.
    """
    enough = 3 * patience.most
    if segment.last - segment.first < enough:
        return
    sample, counts = Counts(), patience.before(segment.object)
    for line in range(segment.first, segment.last, (segment.last - segment.first) // _SAMPLES):
        _count(sample, segment.header, block.line(line), region)
    if sample.rows >= sample.refused + sample.idle:
        return
    for line in range(segment.first, segment.first + enough):
        if not _count(counts, segment.header, block.line(line), region):
            return
        patience.check(counts)


def _count(counts: Counts, header: FlowHeader, line: bytes, region: str | None) -> bool:
    """Count a line, and return False if it is a header: then the next lines may be of another format."""
    try:
        values = line.decode().split()
    except UnicodeDecodeError:
        values = None
    if values is None or b"\0" in line:
        counts.refused += 1
    elif not values:
        counts.idle += 1
    elif is_header(values):
        return False
    elif judge(header, values, region):
        counts.refused += 1
    else:
        counts.rows += 1
    return True
