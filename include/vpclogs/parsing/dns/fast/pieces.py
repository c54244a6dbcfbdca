"""The repeated pieces of DNS query log lines, each parsed once.

AWS's writer keeps one key order, so a line is

  head TIME ","query_name":" NAME middle (DATA gap)* CLIENT ","srcport":" PORT tail

where the values in capitals differ from line to line, while the pieces between them have few distinct texts. Each
distinct piece is parsed as the JSON fragment that it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar

from vpclogs.parsing.dns.fast_json import FastObjectReader
from vpclogs.parsing.dns.records import MajorVersion, check_values, read_part
from vpclogs.parsing.dns.strict_json import BadRecord
from vpclogs.schemas.vpc_dns import VPC_DNS

__all__ = [
    "AFTER_CLIENT",
    "AFTER_TIME",
    "CLIENT",
    "FIRST",
    "NEXT",
    "Separator",
    "Piece",
    "Reader",
    "Template",
    "read_separator",
    "read_head",
    "read_middle",
    "read_tail",
    "template_of",
]

AFTER_TIME = b'","query_name":"'
AFTER_CLIENT = b'","srcport":"'

_TIME = b',"query_timestamp":"'
_ANSWERS = b',"answers":['
FIRST = b'{"Rdata":"'
NEXT = b'"},{"Rdata":"'
CLIENT = b'],"srcaddr":"'
_SOME = _ANSWERS + FIRST
_NONE = _ANSWERS + CLIENT
_MARK = re.compile(rb'"(?=[,}])|\]')
_GAP = re.compile(rb'","Type":"([^"\\]*)","Class":"([^"\\]*)"\}(?:,\{"Rdata":"|(\],"srcaddr":"))')

_OWN = frozenset({"query_timestamp", "query_name", "answers", "srcaddr", "srcport"})
_SHARED = tuple(item for item in VPC_DNS.fields if item.name not in _OWN)
_REQUIRED = frozenset(item.name for item in _SHARED if item.required)
_PLAIN = FastObjectReader(_SHARED, partial=True)

_MAX_KEPT = 1 << 14  # texts kept from block to block, of each kind
_MAX_KEPT_BYTES = 1024  # of one text


@dataclass(frozen=True, slots=True)
class Piece:
    """The content of a head, a middle or a tail.

    ``required`` are the names in ``values`` that every record must have, ``optional`` the others. ``texts`` maps the
    names in `dns_columns.TEXTS` to values. ``answered`` is true for a middle that ends before the first answer's
    data, and false for one that ends after ``[]``.
    """

    values: Mapping[str, Any]
    extra: Mapping[str, str]
    answered: bool
    required: frozenset[str] = field(init=False)
    optional: frozenset[str] = field(init=False)
    texts: Mapping[str, str | None] = field(init=False)

    def __post_init__(self) -> None:
        required, optional = _apart(tuple(self.values))
        object.__setattr__(self, "required", required)
        object.__setattr__(self, "optional", optional)
        texts: dict[str, str | None] = {}
        for name, value in self.values.items():
            if type(value) is dict:
                for inner, text in value.items():
                    texts[f"{name}.{inner}"] = text
            else:
                texts[name] = value
        object.__setattr__(self, "texts", texts)


@lru_cache(maxsize=64)
def _apart(names: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that every record must have, and the others."""
    return _REQUIRED.intersection(names), frozenset(names) - _REQUIRED


@dataclass(frozen=True, slots=True)
class Separator:
    """The text between two answers' data, or after the last (``last``)."""

    type: str
    klass: str
    last: bool


T = TypeVar("T")


class Reader(Generic[T]):
    """Parses and caches texts of one kind. None means that the whole line must be read strictly."""

    def __init__(self, read: Callable[[bytes], T | None]) -> None:
        self._read = read
        self._known: dict[bytes, T | None] = {}

    def __call__(self, text: bytes) -> T | None:
        if text in self._known:
            return self._known[text]
        piece = self._read(text)
        # Hostile lines may have a new, long piece each; keeping them would fill the memory.
        if len(text) <= _MAX_KEPT_BYTES:
            if len(self._known) >= _MAX_KEPT:
                self._known.clear()
            self._known[text] = piece
        return piece


def read_head(text: bytes) -> Piece | None:
    """Read the piece from the start of the line to the time."""
    return _piece(text.removesuffix(_TIME) + b"}") if text.endswith(_TIME) else None


def read_middle(text: bytes) -> Piece | None:
    """Read the piece from the end of the name to the first answer's data, or to the client if there is none."""
    for end in (_SOME, _NONE):
        if text.startswith(b'",') and text.endswith(end):
            return _piece(b"{" + text[2 : -len(end)] + b"}", answered=end is _SOME)
    return None


def read_tail(text: bytes) -> Piece | None:
    """Read the piece from the end of the port to the end of the line."""
    return _piece(b"{" + text[2:]) if text.startswith(b'",') else None


def read_separator(text: bytes) -> Separator | None:
    """Read the gap from the end of an answer's data to the next answer's, or to the client."""
    match = _GAP.fullmatch(text)
    return Separator(match[1].decode(), match[2].decode(), match[3] is not None) if match else None


def _piece(text: bytes, *, answered: bool = False) -> Piece | None:
    values = _PLAIN.read(text)
    if values is not None:
        return Piece(values, {}, answered) if check_values(values) else None
    if found := _PLAIN.read_with_extra(text):
        values, extra = found
        return None if extra.keys() & _OWN or not check_values(values) else Piece(values, extra, answered)
    try:
        part = read_part(text)
    except (BadRecord, MajorVersion):
        return None
    return None if part.values.keys() & _OWN else Piece(part.values, part.extra, answered)


@dataclass(frozen=True, slots=True)
class Template:
    """The positions at which to split lines, and the names each piece must have to form a record.

    ``time`` and ``answers`` are the numbers of marks (see `vpclogs.parsing.dns.fast.split`) before the time and
    before the first answer. ``to_time`` and ``to_answers`` are the bytes from the last of those marks to the start
    of the time and of the first answer.
    """

    time: int
    to_time: int
    answers: int
    to_answers: int
    head: frozenset[str]
    middle: frozenset[str]
    tail: frozenset[str]


def template_of(line: bytes) -> Template | None:
    """Return the template that the line fits, if any."""
    time = line.find(_TIME) + len(_TIME)
    name = line.find(AFTER_TIME, time) + len(AFTER_TIME)
    answers = line.find(_ANSWERS, name)
    client = line.find(CLIENT, answers) + len(CLIENT)
    port = line.find(AFTER_CLIENT, client) + len(AFTER_CLIENT)
    if not len(_TIME) <= time < name < answers < client < port or b"\\" in line[:answers]:
        return None
    answers += len(_ANSWERS)
    head = read_head(line[:time])
    answered = line[answers : answers + 1] != b"]"
    middle = read_middle(line[line.find(b'"', name) : answers] + (_SOME if answered else _NONE)[len(_ANSWERS) :])
    tail = read_tail(line[line.find(b'"', port) :])
    if not (head and middle and tail):
        return None
    names = (head.required, middle.required, tail.required)
    # Each required name in exactly one piece, or a line could lack or repeat it.
    if sum(map(len, names)) != len(_REQUIRED) or frozenset().union(*names) != _REQUIRED:
        return None
    before_time, before_answers = ([mark.start() for mark in _MARK.finditer(line, 0, end)] for end in (time, answers))
    if not before_time:
        return None
    return Template(len(before_time), time - before_time[-1], len(before_answers), answers - before_answers[-1], *names)
