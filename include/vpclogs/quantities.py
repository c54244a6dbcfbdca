"""Counts and sizes in words."""

from __future__ import annotations

__all__ = ["many", "size_text"]


def size_text(count: int) -> str:
    """Bytes for people: ``12.3 MB``, or ``5,120 bytes`` if they are few."""
    return f"{count / 1e6:,.1f} MB" if count >= 50_000 else f"{count:,} bytes"


def many(count: int, thing: str, things: str = "") -> str:
    """A count with its noun: ``1 batch``, ``2 batches``."""
    return f"{count} {thing if count == 1 else things or thing + 's'}"
