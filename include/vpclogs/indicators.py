"""What counts as an indicator, one value at a time.

Rules follow Panther's scanners. Each function gives the indicator, or None if the
text holds none. Callers apply them to distinct values and collect per record.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping

from vpclogs.schemas.model import Indicator

__all__ = ["SCANNERS", "account", "answer", "domain", "instance", "ip"]

_ACCOUNT = re.compile(r"[0-9]{12}")
_MX = re.compile(r"[0-9]+(?:\s+|$)")  # the preference, which is no part of the name
_CONTROL = re.compile(r"[\x80-\x9f]")
_MAX_LABEL = 63  # longer ones are no DNS labels, and punycode decoding is quadratic


def ip(text: str) -> str | None:
    """An IPv4 or IPv6 address, as written. Scoped addresses (``fe80::1%eth0``) are none."""
    if "%" in text:
        return None
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return None
    return text


def domain(text: str) -> str | None:
    """A name without surrounding space and without the trailing dot, if it has one.

    Labels in punycode are decoded, wherever they stand in the name. The root is no
    indicator.
    """
    name = text.strip().removesuffix(".")
    if "xn--" in name or "XN--" in name:
        name = ".".join(map(_label, name.split(".")))
    return name or None


def account(text: str) -> str | None:
    """Exactly 12 digits."""
    return text if _ACCOUNT.fullmatch(text) else None


def instance(text: str) -> str | None:
    """The id of an EC2 instance."""
    return text if text.startswith("i-") else None


def answer(record_type: str, rdata: str) -> tuple[Indicator, str] | None:
    """What the answer to a DNS query points to: an address or a name."""
    if record_type in ("A", "AAAA"):
        address = ip(rdata)
        return (Indicator.IP, address) if address else None
    if record_type in ("CNAME", "NS", "PTR"):
        name = domain(rdata)
    elif record_type == "MX":
        rdata = rdata.strip()
        preference = _MX.match(rdata)
        name = domain(rdata[preference.end() :] if preference else rdata)
    else:
        return None
    return (Indicator.DOMAIN, name) if name else None


def _label(label: str) -> str:
    if len(label) > _MAX_LABEL or label[:4].lower() != "xn--":
        return label
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
        decoded.encode()  # punycode can spell lone surrogates
    except UnicodeError:
        return label
    return label if decoded.isascii() or _CONTROL.search(decoded) else decoded


SCANNERS: Mapping[Indicator, Callable[[str], str | None]] = {
    Indicator.IP: ip,
    Indicator.DOMAIN: domain,
    Indicator.ACCOUNT: account,
    Indicator.INSTANCE: instance,
}
"""The scanner of the fields that `Field.indicator` marks."""
