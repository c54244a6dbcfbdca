"""The result of staging one batch: files, the outcome of each object, statistics for the audit.

Plain data that the ledger stores as JSON. The staged rows themselves are in the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

__all__ = ["LEFT_OUT", "BatchResult", "LearnedRegion", "ObjectOutcome", "StagedFile", "StatisticsJson", "fingerprint"]

LEFT_OUT = "left_out"
"""State of an object whose records name a region that its source does not read."""


StatisticsJson = dict[str, Any]
"""The statistics of a partition as the ledger stores them; see `vpclogs.profile.partition_statistics`."""


class StagedFile(msgspec.Struct, frozen=True):
    """One Parquet file, all of one partition, that is not part of any table yet."""

    table: str  # vpc_dns, vpc_flow or quarantine
    partition: str
    path: str
    rows: int
    bytes: int


class ObjectOutcome(msgspec.Struct, frozen=True):
    """The outcome of one object: a state of `vpclogs.parsing.model.ObjectEnd`, or `LEFT_OUT`.

    ``partition`` is the one that its records name, which may differ from the manifest's.
    """

    identity: str
    partition: str
    state: str
    rows: int = 0
    refused: int = 0
    raw_bytes: int = 0
    reason: str | None = None
    detail: str = ""


class LearnedRegion(msgspec.Struct, frozen=True):
    """The region of a VPC that was not known before, from records that name the account of their object's folder."""

    account: str
    scope: str
    region: str
    key: str


class BatchResult(msgspec.Struct, frozen=True):
    """The result of one batch. ``statistics`` are keyed by partition; see `vpclogs.profile.statistics`."""

    files: list[StagedFile]
    outcomes: list[ObjectOutcome]
    statistics: dict[str, StatisticsJson]
    learned: list[LearnedRegion] = []


def fingerprint(staged: Mapping[int, BatchResult]) -> str:
    """Return a hash of the staged batches. Staging a batch again changes it. 64 hex digits."""
    return sha256(msgspec.json.encode(sorted(staged.items()))).hexdigest()
