"""Every way in which the sample's records and objects are broken, and the verdict each must get.

The verdicts are written here by hand, from the documentation of the formats, so that
the sample's truth does not depend on the parser that it is used to check.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["DNS_FAULTS", "LONG_LINE", "Fault", "flow_faults", "spoil"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break a record. ``reason`` is the code that quarantine must give it."""

    name: str
    reason: str
    apply: Callable[[bytes], bytes]


def spoil(
    rng: np.random.Generator, lines: list[bytes], faults: Sequence[Fault], count: int, *, first: int = 0
) -> list[Fault]:
    """Break ``count`` of ``lines`` in place, each kind in turn beginning with number ``first``. Returns the faults."""
    positions = sorted(rng.choice(len(lines), count, replace=False).tolist())
    chosen = [faults[(first + n) % len(faults)] for n in range(count)]
    for position, fault in zip(positions, chosen, strict=True):
        lines[position] = fault.apply(lines[position])
    return chosen


def _member(name: str, value: str) -> Callable[[bytes], bytes]:
    """Set a string member of a JSON line to the JSON text ``value``."""
    start = f'"{name}":"'.encode()

    def apply(line: bytes) -> bytes:
        begin = line.index(start) + len(start) - 1
        end = line.index(b'"', begin + 1) + 1
        return line[:begin] + value.encode("utf-8", "surrogatepass") + line[end:]

    return apply


def _without(name: str) -> Callable[[bytes], bytes]:
    """Rename a member of a JSON line, so that it is missing and another is unknown."""
    old, new = f'"{name}":'.encode(), f'"x_{name}":'.encode()
    return lambda line: line.replace(old, new, 1)


def _append(members: bytes) -> Callable[[bytes], bytes]:
    return lambda line: line[:-1] + b"," + members + b"}"


def _answers(value: bytes) -> Callable[[bytes], bytes]:
    return lambda line: re.sub(rb'"answers":\[.*?\]', lambda _: b'"answers":' + value, line, count=1)


DNS_FAULTS: tuple[Fault, ...] = (
    Fault("cut in the middle", "not_json", lambda line: line[: len(line) // 2]),
    Fault("two records on one line", "not_json", lambda line: line + line),
    Fault("an error message", "not_json", lambda line: b"upstream connect error or disconnect/reset before headers"),
    Fault("not a number", "not_json", _append(b'"ttl":NaN')),
    Fault("an array", "not_object", lambda line: b"[" + line + b"]"),
    Fault("a string", "not_object", lambda line: b'"resolver query log"'),
    Fault(
        "bytes that are not UTF-8",
        "invalid_utf8",
        lambda line: line.replace(b'"query_name":"', b'"query_name":"\xff\xfe'),
    ),
    Fault("no time", "missing_field", _without("query_timestamp")),
    Fault("rcode is null", "missing_field", _member("rcode", "null")),
    Fault("no srcids", "missing_field", _without("srcids")),
    Fault("no answers", "missing_field", _without("answers")),
    Fault("an answer without data", "missing_field", _answers(b'[{"Type":"A","Class":"IN"}]')),
    Fault("answers as one object", "wrong_type", _answers(b'{"Rdata":"192.0.2.1","Type":"A","Class":"IN"}')),
    Fault("port as a number", "wrong_type", _member("srcport", "53124")),
    Fault("name as a list", "wrong_type", _member("query_name", '["example.com."]')),
    Fault("srcids as text", "wrong_type", lambda line: line.replace(b'"srcids":{', b'"srcids":"","_":{')),
    Fault("the misprint of the documentation", "bad_timestamp", _member("query_timestamp", '"2026-01-15T19:20:177Z"')),
    Fault("hour 24", "bad_timestamp", _member("query_timestamp", '"2026-01-15T24:00:00Z"')),
    Fault("no zone", "bad_timestamp", _member("query_timestamp", '"2026-01-15T19:20:17"')),
    Fault("seconds since 1970", "bad_timestamp", _member("query_timestamp", '"1768504817"')),
    Fault("version is a word", "bad_version", _member("version", '"latest"')),
    Fault("account is a name", "bad_account", _member("account_id", '"production"')),
    Fault("port 70000", "bad_port", _member("srcport", '"70000"')),
    Fault("port is a word", "bad_port", _member("srcport", '"domain"')),
    Fault("a key twice", "duplicate_key", _append(b'"rcode":"NOERROR"')),
    Fault("NUL in a name", "nul_character", _member("query_name", '"www\\u0000.example.com."')),
    Fault("half a surrogate pair", "lone_surrogate", _member("query_name", '"\\ud83d.example.com."')),
    Fault("deep nesting", "too_deep", _append(b'"extra":' + b"[" * 2000 + b"]" * 2000)),
)

# Not among the others, because a benchmark's 0.1 % of such lines would be most of its bytes.
LONG_LINE = Fault("a line beyond the limit", "line_too_long", _append(b'"padding":"' + b"x" * 1_500_000 + b'"'))


def flow_faults(fields: Sequence[str]) -> tuple[Fault, ...]:
    """The ways to break a line of a text flow log whose header is ``fields``."""

    def value(field: str, text: bytes) -> Callable[[bytes], bytes]:
        position = fields.index(field)

        def apply(line: bytes) -> bytes:
            values = line.split()
            values[position] = text
            return b" ".join(values)

        return apply

    return (
        Fault("last value missing", "too_few_values", lambda line: line.rsplit(b" ", 1)[0]),
        Fault("only two values", "too_few_values", lambda line: b" ".join(line.split()[:2])),
        Fault("a sentence", "too_few_values", lambda line: b"log delivery was interrupted"),
        Fault("one value too many", "too_many_values", lambda line: line + b" OK"),
        Fault("version is a word", "bad_integer", value("version", b"two")),
        Fault("packets with a unit", "bad_integer", value("packets", b"12k")),
        Fault("bytes in hexadecimal", "bad_integer", value("bytes", b"0x1F")),
        Fault("bytes beyond 64 bits", "bad_integer", value("bytes", b"9223372036854775808")),
        Fault("port 70000", "bad_port", value("dstport", b"70000")),
        Fault("account too short", "bad_account", value("account-id", b"12345")),
        Fault("start is a word", "bad_timestamp", value("start", b"noon")),
        Fault("no start", "missing_field", value("start", b"-")),
        Fault("no end", "missing_field", value("end", b"-")),
        Fault("no status", "missing_field", value("log-status", b"-")),
        Fault("bytes that are not UTF-8", "invalid_utf8", value("interface-id", b"eni-\xff\xfe")),
        Fault("NUL in a value", "nul_character", value("interface-id", b"eni-\x00")),
    )
