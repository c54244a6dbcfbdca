"""Locations in the settings: URLs of SQLite files and of the warehouse's folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

__all__ = ["rooted", "warehouse_problem"]

# Iceberg records locations as text that each reader takes apart as a URL: `?` and `#` end its path, some
# readers decode `%`, and URL parsers drop line breaks and tabs.
_UNUSABLE = re.compile(r"[#?%\x00-\x1f\x7f]")


def rooted(url: str, folder: Path) -> str:
    """Return the URL of a SQLite file or of a folder with its relative path resolved against `folder`.

    Any other URL is returned unchanged.
    """
    if match := re.fullmatch(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:)([^?]+)(.*)", url):
        path = str((folder / unquote(match[2])).resolve())
        # SQLite's own URL syntax, which the path of the folder may contain.
        return match[1] + path.replace("%", "%25").replace("?", "%3F") + match[3]
    if match := re.fullmatch(r"file:(?://)?(?!/)(.+)", url):
        return "file://" + str((folder / match[1]).resolve())
    return url


def warehouse_problem(catalog: Mapping[str, str]) -> str | None:
    """Return a message if files would not be where ``catalog["warehouse"]`` names them; None if they will."""
    location = catalog.get("warehouse", "")
    if catalog.get("type") == "rest" and "://" not in location:
        return None  # a name, for which the server knows the location
    if not (found := _UNUSABLE.search(location)):
        return None
    return (
        f"use a location without #, ?, % and control characters: at {found[0]!r} readers of Iceberg tables end or "
        "change the path, so that files would be written elsewhere or not be found"
    )
