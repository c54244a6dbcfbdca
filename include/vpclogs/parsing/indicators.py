"""Indicators: addresses, domains, accounts and instances, extracted from one value at a time.

The rules follow Panther's scanners. Each function returns the indicator, or None if the text holds none. Callers
apply them to distinct values and collect per record.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping

from vpclogs.identifiers import ACCOUNT
from vpclogs.schemas.model import Indicator

__all__ = ["ANSWERS", "SCANNERS", "account", "domain", "exchanger", "instance", "ip"]

_ACCOUNT = re.compile(ACCOUNT)
_PREFERENCE = re.compile(r"[0-9]+(?:\s+|$)")
_CONTROL = re.compile(r"[\x80-\x9f]")
_MAX_LABEL = 63  # longer ones are no DNS labels, and decoding punycode is quadratic


def ip(text: str) -> str | None:
    """Return an IPv4 or IPv6 address as written. Scoped addresses (``fe80::1%eth0``) do not count."""
    try:
        # An order of magnitude faster than `ipaddress`, and as strict: no leading zeros, no short forms.
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):  # ValueError: NUL, or not ASCII
        return None
    return text


def domain(text: str) -> str | None:
    """Return a name without surrounding space and trailing dot.

    Punycode labels are decoded anywhere in the name. The root is no indicator.
    """
    name = text.strip().removesuffix(".")
    if "xn--" in name.lower():
        name = ".".join(map(_label, name.split(".")))
    return name or None


def account(text: str) -> str | None:
    """Return an id of exactly 12 digits."""
    return text if _ACCOUNT.fullmatch(text) else None


def instance(text: str) -> str | None:
    """Return the id of an EC2 instance."""
    return text if text.startswith("i-") else None


def exchanger(text: str) -> str | None:
    """Return the domain of MX data, without the preference before it."""
    text = text.strip()
    preference = _PREFERENCE.match(text)
    return domain(text[preference.end() :] if preference else text)


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
"""The scanner for each value of `Field.indicator`."""

ANSWERS: Mapping[str, tuple[Indicator, Callable[[str], str | None]]] = {
    "A": (Indicator.IP, ip),
    "AAAA": (Indicator.IP, ip),
    "CNAME": (Indicator.DOMAIN, domain),
    "MX": (Indicator.DOMAIN, exchanger),
    "NS": (Indicator.DOMAIN, domain),
    "PTR": (Indicator.DOMAIN, domain),
}
"""The indicator in an answer's data, by the type of the answer."""
