"""One DNS query log record: from a line to the schema's values, or a reason to refuse it.

This module defines which records load. `vpclogs.parsing.dns.parser` uses it for unusual lines, and parts of it for each
distinct piece of text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa

from vpclogs.parsing.dns.fast_json import FastObjectReader
from vpclogs.parsing.dns.strict_json import BadRecord, JsonObject, kind, printable, read_object
from vpclogs.parsing.timestamps import rfc3339_micros
from vpclogs.schemas.model import Field
from vpclogs.schemas.vpc_dns import VPC_DNS

__all__ = ["MAJOR_VERSION", "DnsRecord", "MajorVersion", "check_values", "read_part", "read_record"]

MAJOR_VERSION = 1

_VERSION = re.compile(r"([0-9]{1,9})(\.[0-9]{1,9})?")
# Panther's own example has 13 digits. Fewer than 12 is an id that lost its leading zeros.
_ACCOUNT = re.compile(r"[0-9]{12,13}")
_PORT = re.compile(r"[0-9]{1,5}")

_PLAIN = FastObjectReader(VPC_DNS.fields)
_ABSENT: JsonObject = {field.name: None for field in VPC_DNS.fields if not field.required}

_RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


class MajorVersion(Exception):
    """Raised for a record of another major version: its object must be refused whole."""

    def __init__(self, version: str) -> None:
        super().__init__(version)
        self.version = version


@dataclass(slots=True)
class DnsRecord:
    """The values of one record by column; times are microseconds since the epoch.

    ``extra`` maps keys outside the schema to their JSON text exactly as written. A nested key is spelled
    ``srcids.key`` or ``answers[0].key``.
    """

    values: JsonObject
    extra: dict[str, str] = field(default_factory=dict)


def read_record(line: bytes) -> DnsRecord:
    """Read one line, strictly.

    Raises:
        BadRecord: the record is refused, for the first reason that applies.
        MajorVersion: the record has a version that this schema does not describe.
    """
    return _read_plain(line) or _read(line, read_object(line), VPC_DNS.fields)


def read_part(text: bytes) -> DnsRecord:
    """Read a JSON object that has any subset of the schema's fields. Raises as `read_record`."""
    record = read_object(text)
    return _read(text, record, [item for item in VPC_DNS.fields if item.key in record])


def _read(text: bytes, record: JsonObject, fields: Sequence[Field]) -> DnsRecord:
    _check_major(record.get("version"))
    reader = _Reader()
    values = reader.struct("", record, fields)
    return DnsRecord(values, _raw_text(text, reader.unknown) if reader.unknown else {})


def _read_plain(line: bytes) -> DnsRecord | None:
    """Read a record whose only peculiarity may be unknown fields. Return None for any other, valid or not."""
    values, extra = _PLAIN.read(line), dict[str, str]()
    if values is None:
        values, extra = _PLAIN.read_with_extra(line) or (None, extra)
    if values is None or not check_values(values):
        return None
    return DnsRecord(_ABSENT | values, extra)


def check_values(values: JsonObject) -> bool:
    """Return True if the texts are valid, converting them in place. The version must be 1.x."""
    try:
        _check_major(values.get("version"))
        for name in CHECKS.keys() & values.keys():
            values[name] = CHECKS[name](values[name])
    except (BadRecord, MajorVersion):
        return False
    return True


def _check_major(version: object) -> None:
    if type(version) is str and (match := _VERSION.fullmatch(version)) and int(match[1]) != MAJOR_VERSION:
        raise MajorVersion(version)


Path = tuple[str | int, ...]


class _Reader:
    """Reads values by their fields, and records the keys that have none."""

    def __init__(self) -> None:
        self.unknown: dict[str, Path] = {}

    def struct(self, at: str, record: JsonObject, fields: Sequence[Field], path: Path = ()) -> JsonObject:
        values, seen = {}, set()
        for item in fields:
            # Some keys have two spellings in the wild, such as resolver_endpoint and resolver-endpoint.
            keys = [key for key in (item.key, *item.aliases) if key in record]
            if len(keys) > 1:
                raise BadRecord("duplicate_key", at + item.name, f"spelled both {' and '.join(keys)}")
            seen.update(keys)
            values[item.name] = self._value(at + item.name, record[keys[0]] if keys else None, item, (*path, *keys))
        for key in record.keys() - seen:
            self._note(at + key, (*path, key))
        return values

    def _note(self, name: str, path: Path) -> None:
        # {"a.b": 1, "a": {"b": 2}} would give two values for one name in p_extra.
        if name in self.unknown:
            raise BadRecord("duplicate_key", printable(name), "a key with a dot has the name of a nested key")
        self.unknown[name] = path

    def _value(self, name: str, value: Any, item: Field, path: Path) -> Any:
        if value is None:
            if item.required:
                raise BadRecord("missing_field", name, "absent or null")
            return None
        if pa.types.is_struct(item.type):
            return self.struct(f"{name}.", _typed(name, value, dict), item.fields, path)
        if pa.types.is_list(item.type):
            return [
                self.struct(f"{name}[{i}].", _typed(f"{name}[{i}]", element, dict), item.fields, (*path, i))
                for i, element in enumerate(_typed(name, value, list))
            ]
        text = _typed(name, value, str)
        return CHECKS[name](text) if name in CHECKS else text


def _typed(name: str, value: Any, wanted: type) -> Any:
    if type(value) is not wanted:
        raise BadRecord("wrong_type", name, f"{kind(value)}, not {kind(wanted())}")
    return value


def _version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise BadRecord("bad_version", "version", f"{printable(text)!r} is not a number such as 1.100000")
    return text


def _account(text: str) -> str:
    if not _ACCOUNT.fullmatch(text):
        raise BadRecord("bad_account", "account_id", f"{printable(text)!r} is not 12 digits")
    return text


def _timestamp(text: str) -> int:
    micros = rfc3339_micros(text)
    if micros is None:
        detail = f"{printable(text)!r} is not an RFC 3339 time that exists"
        raise BadRecord("bad_timestamp", "query_timestamp", detail)
    return micros


def _port(text: str) -> str:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise BadRecord("bad_port", "srcport", f"{printable(text)!r} is not a number from 0 to 65535")
    return text


CHECKS: Mapping[str, Callable[[str], Any]] = {
    "version": _version,
    "account_id": _account,
    "query_timestamp": _timestamp,
    "srcport": _port,
}
"""Checks of some fields' texts; each returns the value."""


def _raw_text(line: bytes, unknown: Mapping[str, Path]) -> dict[str, str]:
    """Return the JSON text of each unknown value, as written."""
    top = _RAW_OBJECT.decode(line)
    opened: dict[Path, Mapping[Any, msgspec.Raw]] = {(): top}

    def containing(outer: Path) -> Mapping[Any, msgspec.Raw]:
        if outer not in opened:  # decode each container once: a hostile array can have very many unknown keys
            name, raw = outer[0], top[str(outer[0])]
            if len(outer) == 1:
                opened[outer] = _RAW_OBJECT.decode(raw)
            else:
                opened.update(((name, i), element) for i, element in enumerate(_RAW_OBJECTS.decode(raw)))
        return opened[outer]

    return {name: bytes(containing(path[:-1])[path[-1]]).decode() for name, path in sorted(unknown.items())}
