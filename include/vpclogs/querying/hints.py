"""Advice in the errors of queries."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = ["closest", "keyword_hint"]

_KEYWORD_COLUMNS = ("end", "start")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)


def keyword_hint(sql: str, error: str) -> list[str]:
    """Return a line of advice if a syntax error comes from a column named like a keyword, else nothing."""
    near = re.search(r'syntax error at or near "(\w+)"', error)
    if near is None or near[1].lower() not in _KEYWORD_COLUMNS:
        return []
    words = re.findall(r"\w+", _QUOTED.sub(" ", sql).lower())
    bare = [name for name in _KEYWORD_COLUMNS if name in words]
    # Each CASE has an END of its own.
    if words.count("end") <= words.count("case"):
        bare = [name for name in bare if name != "end"]
    if not bare:
        return []
    names = " and ".join(f'"{name}"' for name in bare)
    return [f"{' and '.join(bare)} is a keyword of SQL: to name the column, write {names} with the quotes"]


def closest(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean …?`` with the most similar known name, or nothing."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f" (did you mean {found[0]}?)" if found else ""
