"""The result of staging one batch: files, the outcome of each object, statistics for the audit.

Plain data that the ledger stores as JSON. The staged rows themselves are in the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

__all__ = ["BatchResult", "ObjectOutcome", "StagedFile", "fingerprint"]


class StagedFile(msgspec.Struct, frozen=True):
    """One Parquet file, all of one partition, that is not part of any table yet."""

    table: str  # vpc_dns, vpc_flow or quarantine
    partition: str
    path: str
    rows: int
    bytes: int


class ObjectOutcome(msgspec.Struct, frozen=True):
    """The outcome of one object; see `vpclogs.parsing.model.ObjectEnd`."""

    identity: str
    partition: str
    state: str
    rows: int = 0
    refused: int = 0
    raw_bytes: int = 0
    reason: str | None = None
    detail: str = ""


class BatchResult(msgspec.Struct, frozen=True):
    """The result of one batch. ``statistics`` are keyed by partition; see `vpclogs.audits.statistics`."""

    files: list[StagedFile]
    outcomes: list[ObjectOutcome]
    statistics: dict[str, dict[str, Any]]


def fingerprint(staged: Mapping[int, BatchResult]) -> str:
    """Return a hash of the staged batches. Staging a batch again changes it. 64 hex digits."""
    return sha256(msgspec.json.encode(sorted(staged.items()))).hexdigest()
