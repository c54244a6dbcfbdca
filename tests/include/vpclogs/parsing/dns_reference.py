"""A slow parser of DNS query logs that is easy to see to be right: one line, one `json.loads`.

Written from docs/schemas.md, not from the parser, which it is there to check.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["MAJOR", "judge", "parse_object"]

from vpclogs.identifiers import is_region

MAJOR = "version_major"

REQUIRED = [
    "version",
    "account_id",
    "region",
    "vpc_id",
    "query_timestamp",
    "query_name",
    "query_type",
    "query_class",
    "rcode",
    "answers",
    "srcaddr",
    "srcport",
    "transport",
    "srcids",
]
OPTIONAL = ["firewall_rule_group_id", "firewall_rule_action", "firewall_domain_list_id"]
ANSWER = ["Rdata", "Type", "Class"]
SOURCE_IDS = {"instance": ["instance"], "resolver_endpoint": ["resolver_endpoint", "resolver-endpoint"]}
SOURCE_IDS["resolver_network_interface"] = ["resolver_network_interface"]


class Refused(Exception):
    """The reason, and the field if one is at fault."""


class Number:
    """Any JSON number."""

    def __init__(self, text: str) -> None:
        self.text = text


def parse_object(data: bytes) -> list[tuple[int, Any]] | str:
    """Each record's line and row, or line and (reason, field); or the reason to refuse the whole."""
    fates: list[tuple[int, Any]] = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip(b" \t\r"):
            continue
        fate = judge(line)
        if fate == MAJOR:
            return MAJOR
        fates.append((number, fate))
    return [(number, of_region(fate, home_of(fates))) for number, fate in fates]


def home_of(fates: list[tuple[int, Any]]) -> str | None:
    """The region that the first good record names."""
    regions = [fate["region"] for _, fate in fates if isinstance(fate, dict)]
    return next((region for region in regions if is_region(region)), None)


def of_region(fate: Any, home: str | None) -> Any:
    return ("foreign_region", "region") if isinstance(fate, dict) and fate["region"] != home else fate


def judge(line: bytes) -> Any:
    try:
        return row(line)
    except Refused as refused:
        return MAJOR if refused.args[0] == MAJOR else refused.args


def row(line: bytes) -> dict[str, Any]:
    text, record = decode(line)
    version = record.get("version")
    match = isinstance(version, str) and re.fullmatch(r"([0-9]{1,9})(\.[0-9]{1,9})?", version)
    if match and int(match[1]) != 1:
        raise Refused(MAJOR)
    result: dict[str, Any] = {name: field(name, record.get(name)) for name in REQUIRED}
    for name in OPTIONAL:
        result[name] = None if record.get(name) is None else string(name, record[name])
    extra = dict(unknown(text, record))
    if len(extra) != len(list(unknown(text, record))):
        raise Refused("duplicate_key", ...)
    result["p_event_time"] = result["query_timestamp"]
    result |= indicators(result)
    result["p_extra"] = extra or None
    return result


def decode(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("invalid_utf8", None) from None
    if depth(text) > 64:
        raise Refused("too_deep", None)
    repeated: list[str] = []

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in members]
        repeated.extend(key for key in keys if keys.count(key) > 1)
        return dict(members)

    def constant(name: str) -> None:
        raise ValueError(name)

    try:
        record = json.loads(
            text, object_pairs_hook=pairs, parse_constant=constant, parse_int=Number, parse_float=Number
        )
    except ValueError:
        raise Refused("not_json", None) from None
    if not isinstance(record, dict):
        raise Refused("not_object", None)
    if repeated:
        raise Refused("duplicate_key", ...)
    for reason, low, high in (("lone_surrogate", "\ud800", "\udfff"), ("nul_character", "\0", "\0")):
        for key, value in record.items():
            if any(low <= letter <= high for one in (key, *strings(value)) for letter in one):
                raise Refused(reason, ...)
    return text, record


def depth(text: str) -> int:
    now = most = 0
    inside = escaped = False
    for letter in text:
        if inside:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                inside = False
        elif letter == '"':
            inside = True
        elif letter in "[{":
            now += 1
            most = max(most, now)
        elif letter in "]}":
            now -= 1
    return most


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from strings(one)


def string(name: str, value: Any) -> str:
    if value is None:
        raise Refused("missing_field", name)
    if not isinstance(value, str):
        raise Refused("wrong_type", name)
    return value


def field(name: str, value: Any) -> Any:
    if value is None:
        raise Refused("missing_field", name)
    if name == "answers":
        if not isinstance(value, list):
            raise Refused("wrong_type", name)
        return [answer(f"answers[{i}]", one) for i, one in enumerate(value)]
    if name == "srcids":
        if not isinstance(value, dict):
            raise Refused("wrong_type", name)
        return source_ids(value)
    text = string(name, value)
    if name == "version" and not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        raise Refused("bad_version", name)
    if name == "account_id" and not re.fullmatch(r"[0-9]{12,13}", text):
        raise Refused("bad_account", name)
    if name == "srcport" and not (re.fullmatch(r"[0-9]{1,5}", text) and int(text) <= 65535):
        raise Refused("bad_port", name)
    return moment(text) if name == "query_timestamp" else text


def answer(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Refused("wrong_type", name)
    return {key: string(f"{name}.{key}", value.get(key)) for key in ANSWER}


def source_ids(value: dict[str, Any]) -> dict[str, str | None]:
    result: dict[str, str | None] = {}
    for name, spellings in SOURCE_IDS.items():
        present = [spelling for spelling in spellings if spelling in value]
        if len(present) > 1:
            raise Refused("duplicate_key", f"srcids.{name}")
        found = value[present[0]] if present else None
        result[name] = None if found is None else string(f"srcids.{name}", found)
    return result


def moment(text: str) -> datetime:
    match = re.fullmatch(
        r"([0-9]{4}-[0-9]{2}-[0-9]{2})[tT]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?([zZ]|[+-][0-9]{2}:[0-9]{2})", text
    )
    try:
        if not match:
            raise ValueError
        at = datetime.strptime(f"{match[1]} {match[2]}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        at += timedelta(microseconds=int((match[3] or ".")[1:].ljust(9, "0")[:6]))
        if match[4] not in "zZ":
            hours, minutes = int(match[4][1:3]), int(match[4][4:])
            if hours > 23 or minutes > 59:
                raise ValueError
            offset = timedelta(hours=hours, minutes=minutes)
            at = at + offset if match[4][0] == "-" else at - offset
    except (ValueError, OverflowError):
        raise Refused("bad_timestamp", "query_timestamp") from None
    return at


def unknown(text: str, record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, raw in members(text):
        if key == "answers":
            for i, one in enumerate(elements(raw)):
                yield from ((f"answers[{i}].{inner}", value) for inner, value in members(one) if inner not in ANSWER)
        elif key == "srcids":
            known = {spelling for spellings in SOURCE_IDS.values() for spelling in spellings}
            yield from ((f"srcids.{inner}", value) for inner, value in members(raw) if inner not in known)
        elif key not in REQUIRED and key not in OPTIONAL:
            yield key, raw


def members(text: str) -> Iterator[tuple[str, str]]:
    """The keys of a valid JSON object and their values' text."""
    for item in elements(text):
        key, end = json.JSONDecoder().raw_decode(item)
        yield key, item[end:].lstrip(" \t\r\n").removeprefix(":").strip(" \t\r\n")


def elements(text: str) -> Iterator[str]:
    """What lies between the commas of a valid JSON array or object."""
    inner = text.strip(" \t\r\n")[1:-1]
    start = level = 0
    inside = escaped = False
    for i, letter in enumerate(inner):
        if inside:
            inside = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            inside = True
        elif letter in "[{":
            level += 1
        elif letter in "]}":
            level -= 1
        elif letter == "," and level == 0:
            yield inner[start:i].strip(" \t\r\n")
            start = i + 1
    if inner.strip(" \t\r\n"):
        yield inner[start:].strip(" \t\r\n")


def indicators(result: dict[str, Any]) -> dict[str, list[str] | None]:
    addresses = [result["srcaddr"]] + [a["Rdata"] for a in result["answers"] if a["Type"] in ("A", "AAAA")]
    names = [result["query_name"]] + [a["Rdata"] for a in result["answers"] if a["Type"] in ("CNAME", "NS", "PTR")]
    names += [re.sub(r"^\s*[0-9]+(\s+|$)", "", a["Rdata"]) for a in result["answers"] if a["Type"] == "MX"]
    account, instance = result["account_id"], result["srcids"]["instance"]
    found = {
        "p_any_ip_addresses": {text for text in addresses if is_address(text)},
        "p_any_domain_names": {domain(text) for text in names} - {""},
        "p_any_aws_account_ids": {account} if len(account) == 12 else set(),
        "p_any_aws_instance_ids": {instance} if instance and instance.startswith("i-") else set(),
    }
    return {name: sorted(values) or None for name, values in found.items()}


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def domain(text: str) -> str:
    text = text.strip()
    text = text[:-1] if text.endswith(".") else text
    return ".".join(label(one) for one in text.split("."))


def label(text: str) -> str:
    if not text.lower().startswith("xn--") or len(text) > 63:
        return text
    try:
        decoded = text[4:].encode("ascii").decode("punycode")
        decoded.encode("utf-8")
    except UnicodeError:
        return text
    return text if all(letter < "\x80" for letter in decoded) or re.search("[\x80-\x9f]", decoded) else decoded
