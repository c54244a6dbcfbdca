"""One line as one JSON object, or the reason to refuse it.

Stricter than JSON where the standard leaves room: no duplicate keys, no ``NaN``, no text that a table cannot hold, no
nesting that could exhaust a stack. Numbers are not converted, because no field is a number: `Number` keeps their
text, however large.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np

__all__ = ["MAX_DEPTH", "BadRecord", "JsonObject", "Number", "kind", "read_object"]

JsonObject = dict[str, Any]
"""A decoded object: texts, numbers (`Number`), objects, arrays, booleans and None by key."""

MAX_DEPTH = 64

_STRING = re.compile(rb'"(?:[^"\\]|\\.?)*+(?:"|\Z)', re.DOTALL)  # an unterminated one extends to the end
_OPENING, _CLOSING = np.frombuffer(b"[{", np.uint8), np.frombuffer(b"]}", np.uint8)
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_NAME = 200  # characters of a key in a message; a hostile key can be a megabyte


class BadRecord(Exception):
    """Raised for a record that the schema refuses. Arguments are as in `Refused`."""

    def __init__(self, reason: str, field: str | None, detail: str) -> None:
        super().__init__(reason, field, detail)
        self.reason = reason
        self.field = field
        self.detail = detail


class Number(str):
    """A JSON number, as written. Not an exact ``str``, so no check for text accepts it."""

    __slots__ = ()


def read_object(line: bytes) -> JsonObject:
    """Return the JSON object that is the whole line.

    Raises:
        BadRecord: invalid_utf8, too_deep, not_json, not_object, duplicate_key,
            lone_surrogate or nul_character; the first of these that applies.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        detail = f"byte 0x{line[error.start]:02x} at {error.start}: {error.reason}"
        raise BadRecord("invalid_utf8", None, detail) from None
    # Two counts rule out nearly every line before the exact depth is computed.
    if line.count(b"[") + line.count(b"{") > MAX_DEPTH and _depth(line) > MAX_DEPTH:
        raise BadRecord("too_deep", None, f"brackets are nested more than {MAX_DEPTH} deep")
    value, duplicates = _decode(text)
    if type(value) is not dict:
        raise BadRecord("not_object", None, f"{kind(value)}, not an object")
    if duplicates:
        raise BadRecord("duplicate_key", printable(duplicates[0]), "the key occurs twice in one object")
    if "\\u" in text:  # only an escape can spell these
        _check_text(value)
    return value


def kind(value: object) -> str:
    """Return the kind of a decoded value, for messages."""
    if isinstance(value, Number):
        return "a number"
    names = {str: "a string", dict: "an object", list: "an array", bool: "a boolean", type(None): "null"}
    return names[type(value)]


def printable(name: str) -> str:
    """Return a key in a form that a table can hold: encodable and bounded."""
    cut = name if len(name) <= _MAX_NAME else name[:_MAX_NAME] + "…"
    return cut.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def _decode(text: str) -> tuple[Any, list[str]]:
    """Return the value, and the keys that occur twice in an object."""
    duplicates: list[str] = []

    def build(pairs: list[tuple[str, Any]]) -> JsonObject:
        value = dict(pairs)
        if len(value) < len(pairs):
            duplicates.append(_first_repeated(key for key, _ in pairs))
        return value

    # Numbers stay text: converting one of a million digits would take minutes.
    decoder = json.JSONDecoder(
        object_pairs_hook=build, parse_int=Number, parse_float=Number, parse_constant=_no_constant
    )
    try:
        return decoder.decode(text), duplicates
    except json.JSONDecodeError as error:
        mark = "; it begins with a byte order mark" if text.startswith("\ufeff") else ""
        raise BadRecord("not_json", None, f"{error.msg} at character {error.pos}{mark}") from None


def _first_repeated(keys: Iterable[str]) -> str:
    seen: set[str] = set()
    return next(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]


def _no_constant(name: str) -> NoReturn:
    raise BadRecord("not_json", None, f"{name} is not JSON")


def _depth(line: bytes) -> int:
    """Return the maximum depth of brackets outside strings."""
    # Brackets inside strings do not nest.
    marks = np.frombuffer(_STRING.sub(b"", line), np.uint8)
    steps = np.isin(marks, _OPENING).astype(np.int32) - np.isin(marks, _CLOSING)
    return int(np.max(np.cumsum(steps), initial=0))


def _check_text(record: JsonObject) -> None:
    for reason, detail, bad in (
        ("lone_surrogate", "half of a surrogate pair", _SURROGATE.search),
        ("nul_character", "a NUL character", re.compile("\0").search),
    ):
        for key, value in record.items():
            if bad(key) or any(bad(text) for text in _texts(value)):
                raise BadRecord(reason, printable(key), f"a string has {detail}")


def _texts(value: Any) -> list[str]:
    """Return every key and string in a value."""
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in _texts(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []
