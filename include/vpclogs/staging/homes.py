"""Where the records of an object belong: DNS objects to the region that they name, flow objects to their key's.

The parser has refused DNS records that name another region than their object, so all rows
of one object name the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vpclogs.objects import LogObject
from vpclogs.parsing.model import Parsed, Refused
from vpclogs.partitions import Partition
from vpclogs.profile.columns import all_equal, contiguous

__all__ = ["Home", "foreign_record", "homes_of", "split_foreign"]

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
    if all_equal(regions, planned.region):
        return {}
    ordinals, first = np.unique(parsed.objects, return_index=True)
    accounts = parsed.rows.column("account_id")
    return {
        int(ordinal): Home(replace(planned, region=regions[int(row)].as_py()), accounts[int(row)].as_py())
        for ordinal, row in zip(ordinals, first, strict=True)
    }


def split_foreign(parsed: Parsed, partition: Partition) -> Parsed:
    """Return flow records with those refused that name another region than their object's key."""
    regions = contiguous(parsed.rows.column(_REGION))
    if regions.null_count == len(regions) or all_equal(regions, partition.region):
        return parsed
    foreign = np.asarray(pc.fill_null(pc.not_equal(regions.cast(pa.string()), partition.region), False))
    rows = [
        foreign_record(row, int(ordinal), int(line), partition.region)
        for row, ordinal, line in zip(
            parsed.rows.filter(pa.array(foreign)).to_pylist(),
            parsed.objects[foreign],
            parsed.lines[foreign],
            strict=True,
        )
    ]
    kept = ~foreign
    return replace(
        parsed,
        rows=parsed.rows.filter(pa.array(kept)),
        objects=parsed.objects[kept],
        lines=parsed.lines[kept],
        refused=[*parsed.refused, *rows],
    )


def foreign_record(row: dict[str, Any], ordinal: int, line: int, region: str) -> Refused:
    """Return the refusal of a row that belongs to another region; its text is the row's as JSON."""
    shown = {name: value for name, value in row.items() if value is not None and not name.startswith("p_")}
    return Refused(
        object=ordinal,
        line=line,
        reason="foreign_region",
        field=_REGION,
        detail=f"{row[_REGION]!r}, but its object is of {region!r}",
        raw=json.dumps(shown, default=str).encode(),
        start=-1,
        end=-1,
    )
