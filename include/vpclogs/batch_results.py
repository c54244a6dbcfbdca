"""What staging one batch gives: files, the fate of each object, statistics for the audit.

Plain data that the ledger keeps as JSON; the staged rows themselves are in the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

__all__ = ["BatchResult", "ObjectOutcome", "StagedFile", "fingerprint"]


class StagedFile(msgspec.Struct, frozen=True):
    """One Parquet file, all of one partition; not yet part of any table."""

    table: str  # vpc_dns, vpc_flow or quarantine
    partition: str
    path: str
    rows: int
    bytes: int


class ObjectOutcome(msgspec.Struct, frozen=True):
    """The fate of one object, see `vpclogs.parsing.model.ObjectEnd`."""

    identity: str
    partition: str
    state: str
    rows: int = 0
    refused: int = 0
    raw_bytes: int = 0
    reason: str | None = None
    detail: str = ""


class BatchResult(msgspec.Struct, frozen=True):
    """All of one batch. ``statistics`` are per partition key, see `vpclogs.audits.statistics`."""

    files: list[StagedFile]
    outcomes: list[ObjectOutcome]
    statistics: dict[str, dict[str, Any]]


def fingerprint(staged: Mapping[int, BatchResult]) -> str:
    """The same for the very same staged batches only; staging a batch again makes other files. 64 hex digits."""
    return sha256(msgspec.json.encode(sorted(staged.items()))).hexdigest()
