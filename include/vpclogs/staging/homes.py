"""The partitions to which DNS objects belong: those of the regions that their records name.

The parser has refused records that name another region than their object, so all rows
of one object name the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vpclogs.objects import LogObject
from vpclogs.parsing.model import Parsed
from vpclogs.partitions import Partition
from vpclogs.profile.columns import all_equal, contiguous

__all__ = ["Home", "homes_of"]

_REGION = "region"


@dataclass(frozen=True, slots=True)
class Home:
    """Where an object's records belong, and the account that its first record names."""

    partition: Partition
    account: str


def homes_of(parsed: Parsed, listed: Sequence[LogObject], planned: Partition) -> dict[int, Home]:
    """Return the homes of the DNS objects of the rows, all planned for one partition; none if it is their home.

    ``parsed.objects`` are indexes into ``listed``.
    """
    regions = contiguous(parsed.rows.column(_REGION))
    # The common case costs one comparison of a column, not a loop over objects.
    if all_equal(regions, planned.region):
        return {}
    ordinals, first = np.unique(parsed.objects, return_index=True)
    accounts = parsed.rows.column("account_id")
    return {
        int(ordinal): Home(replace(planned, region=regions[int(row)].as_py()), accounts[int(row)].as_py())
        for ordinal, row in zip(ordinals, first, strict=True)
    }
