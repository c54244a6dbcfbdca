"""Small objects that are meant to do harm.

``python -m tests.hostile.corpus FOLDER`` writes all of them to files.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from tests.pipelines import event

__all__ = ["CORPUS", "new_field_per_record", "packed"]


def packed(text: bytes) -> bytes:
    """Return the text as one gzip member."""
    return gzip.compress(text, 9, mtime=0)


def new_field_per_record(records: int) -> bytes:
    """Return DNS records, each with an unknown field that no other record has."""
    text = event()[:-1]
    return b"".join(text + b',"u%d":1}\n' % number for number in range(records))


CORPUS = {
    "new_field_per_record.log.gz": lambda: packed(new_field_per_record(50_000)),
}
"""What makes each object, by file name."""


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in CORPUS.items():
        (folder / name).write_bytes(make())
