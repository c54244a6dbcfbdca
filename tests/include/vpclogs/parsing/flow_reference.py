"""A flow log parser that is slow and obviously right: what the real one must agree with.

It knows the field table, and nothing else of the product.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from vpclogs.schemas.vpc_flow import VPC_FLOW

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REQUIRED = ("start", "end", "log-status")
FIELDS = {field.key: field for field in VPC_FLOW.fields}
ADDRESSES = ("srcAddr", "dstAddr", "pktSrcAddr", "pktDstAddr")


class RefusedWhole(Exception):
    """The reason code."""


class RefusedRecord(Exception):
    """The reason code and the field."""


def parse_object(data: bytes) -> list[tuple[int, Any]]:
    """(line, row or (reason, field)) of every record, in order.

    Raises:
        RefusedWhole: none of them counts.
    """
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    records: list[tuple[int, Any]] = []
    header: list[str] | None = None
    for number, line in enumerate(lines, 1):
        if not line.split():
            continue
        if header is None:
            header = first_header(line)
            continue
        try:
            values = decoded(line)
            if set(REQUIRED) <= set(values):
                header = checked(values)
                continue
            records.append((number, row(header, values)))
        except RefusedRecord as refused:
            records.append((number, refused.args))
    return records


def first_header(line: bytes) -> list[str]:
    if line.strip()[:1] in (b"{", b"["):
        raise RefusedWhole("json_in_flow")
    if re.match(rb"\s*\d\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\S*\s", line):
        raise RefusedWhole("cloudwatch_export")
    names = [name.decode("utf-8", "replace") for name in line.split()]
    if b"\0" in line:
        raise RefusedWhole("no_header")
    if not set(REQUIRED) <= set(names):
        if not any(name in FIELDS or gateway(name) for name in names):
            raise RefusedWhole("no_header")
        if not all(re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name) for name in names):
            raise RefusedWhole("no_header")
    return checked(names)


def checked(names: list[str]) -> list[str]:
    if any(map(gateway, names)):
        raise RefusedWhole("transit_gateway")
    if not set(REQUIRED) <= set(names):
        raise RefusedWhole("header_missing_required")
    if len(set(names)) < len(names):
        raise RefusedWhole("header_duplicate")
    return names


def gateway(name: str) -> bool:
    return (
        name == "resource-type"
        or re.fullmatch(
            r"tgw-id|tgw-(pair-)?attachment-id|tgw-(src|dst)-(vpc-account-id|vpc-id|subnet-id|eni|az-id)"
            r"|packets-lost-(no-route|blackhole|mtu-exceeded|ttl-expired)",
            name,
        )
        is not None
    )


def decoded(line: bytes) -> list[str]:
    if b"\0" in line:
        raise RefusedRecord("nul_character", None)
    try:
        line.decode()
    except UnicodeDecodeError:
        raise RefusedRecord("invalid_utf8", None) from None
    return [value.decode() for value in line.split()]


def row(header: list[str], values: list[str]) -> dict[str, Any]:
    if len(values) < len(header):
        raise RefusedRecord("too_few_values", None)
    if len(values) > len(header):
        raise RefusedRecord("too_many_values", None)
    given = dict(zip(header, values, strict=True))
    result: dict[str, Any] = {}
    for key, field in FIELDS.items():
        text = given.pop(key, "-")
        if text == "-" or (key == "account-id" and text == "unknown"):
            if field.required and key in header:
                raise RefusedRecord("missing_field", field.name)
            result[field.name] = None
        else:
            result[field.name] = value(key, field, text)
    ips = {result[name] for name in ADDRESSES if result[name] is not None and is_ip(result[name])}
    result["p_event_time"] = result["start"]
    result["p_any_ip_addresses"] = sorted(ips) or None
    result["p_any_domain_names"] = None
    result["p_any_aws_account_ids"] = [result["account"]] if result["account"] else None
    instance = result["instanceId"]
    result["p_any_aws_instance_ids"] = [instance] if instance and instance.startswith("i-") else None
    result["p_extra"] = [(name, text) for name, text in given.items() if text != "-"] or None
    return result


def value(key: str, field: Any, text: str) -> Any:
    if key == "account-id" and not re.fullmatch(r"[0-9]{12}", text):
        raise RefusedRecord("bad_account", field.name)
    if field.type == pa.string():
        return text
    number = int(text) if re.fullmatch("[0-9]+", text) and len(text) < 4000 else -1
    if key in ("start", "end"):
        if not 0 <= number <= 253402300799999:
            raise RefusedRecord("bad_timestamp", field.name)
        return EPOCH + (timedelta(seconds=number) if number <= 2147483647 else timedelta(milliseconds=number))
    if key in ("srcport", "dstport"):
        if not 0 <= number <= 65535:
            raise RefusedRecord("bad_port", field.name)
    elif not 0 <= number < 2 ** (field.type.bit_width - 1):
        raise RefusedRecord("bad_integer", field.name)
    return number


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
