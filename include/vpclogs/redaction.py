"""Secrets of the settings in text that is shown: recognized by their form and by their value.

`remember` takes the values when settings are read, before they are checked, so that a
complaint about the settings cannot show one either. `vpclogs.foreign_text.shown`, through
which all text passes on its way out, redacts it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote_plus

__all__ = ["known_secrets", "redacted", "remember", "secrets_of_environment", "secrets_of_settings"]

REDACTED = "***"

_NAME = (
    r"password|passwd|passphrase|pwd|secret|token|credential|authorization|api[-_.]?key|account[-_.]?key|"
    r"private[-_.]?key|connection[-_.]?string|signature|sas|webhook"
)
_SECRET_NAME = re.compile(rf"(?:^|[-_.])(?:{_NAME})s?(?:$|[-_.])|(?:password|secret|token)$", re.IGNORECASE)
_NAMED = rf"(?:[\w.-]*[-_.])?(?:{_NAME})s?(?:[-_.][\w.-]*)?"

# user:password@ of a URL; a lone user is shown, but over HTTP it may be a token
_USERINFO = re.compile(r"(//[^\s/:?#@'\"]*):[^\s/?#]+@")
_HTTP_USERINFO = re.compile(r"(https?://)[^\s/:?#@]+@", re.IGNORECASE)
# name=value in a query or a connection string; "name": "value" in a printed mapping
_ASSIGNED = re.compile(rf"((?<![\w.-]){_NAMED}=)(?:\"[^\"]*\"|'[^']*'|[^\s&;,'\")}}\]]+)", re.IGNORECASE)
_PRINTED = re.compile(rf"((['\"]){_NAMED}\2\s*:\s*)(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")", re.IGNORECASE)
_HEADER = re.compile(r"\b((?:Bearer|Basic)\s+)[\w.~+/-]{8,}=*", re.IGNORECASE)
_AUTHORIZATION = re.compile(r"(\bAuthorization\s*:\s*)(?:\w+\s+)?\S+", re.IGNORECASE)

# The password of a URL ends at the first @ or, if it holds one itself, at the last.
_PASSWORDS = tuple(
    re.compile(rf"/(?P<user>[^\s:/?#@]*):(?P<password>{password})@(?P<host>[^\s:/@?]*)(?::\d+)?/?(?P<path>[^\s?]*)")
    for password in (r"[^\s@]+", r"[^\s/?#]+")
)

_VARIABLES = ("AWS_", "AIRFLOW_CONN_", "PG", "PYICEBERG_", "VPCLOGS_")
_PUBLIC = frozenset({"vpclogs", "airflow", "true", "false", "none", "null"})
_SHORTEST = 4
_UNMISTAKABLE = 8  # a shorter one is redacted only where it is a word of its own

_known: set[str] = set()
_pattern: list[re.Pattern[str]] = []  # of the known values; empty until it is needed


def redacted(text: str) -> str:
    """Return `text` with every secret in it replaced."""
    if _known:
        if not _pattern:
            _pattern.append(re.compile("|".join(map(_matching, sorted(_known, key=len, reverse=True)))))
        text = _pattern[0].sub(REDACTED, text)
    text = _USERINFO.sub(rf"\1:{REDACTED}@", text)
    text = _HTTP_USERINFO.sub(rf"\1{REDACTED}@", text)
    text = _AUTHORIZATION.sub(rf"\1{REDACTED}", text)
    text = _HEADER.sub(rf"\1{REDACTED}", text)
    text = _PRINTED.sub(rf"\1'{REDACTED}'", text)
    return _ASSIGNED.sub(rf"\1{REDACTED}", text)


def remember(values: Iterable[str]) -> None:
    """Redact these values from now on, in this process, however they are quoted.

    Words that are too short or too common to be a secret are left out: with a password
    for example ``vpclogs``, redacting every occurrence would hide nothing and garble all text.
    """
    for value in values:
        spellings = {value, quote(value, safe=""), unquote_plus(value), repr(value)[1:-1], json.dumps(value)[1:-1]}
        _known.update(filter(_is_secret, spellings))
    _pattern.clear()


def known_secrets() -> frozenset[str]:
    """Return the values that are redacted."""
    return frozenset(_known)


def secrets_of_environment(env: Mapping[str, str]) -> Iterator[str]:
    """Yield the secrets of the variables that AWS, PostgreSQL, PyIceberg and vpclogs read."""
    for name, value in env.items():
        if name.startswith(_VARIABLES):
            if _SECRET_NAME.search(name) or name.endswith("_KEY"):
                yield value
            yield from _of_url(value)
            yield from _of_json(value)


def secrets_of_settings(data: Any) -> Iterator[str]:
    """Yield the secrets in the data of a settings file: values of keys that name a secret, and parts of URLs."""
    waiting, seen = [("", data)], set()
    while waiting:
        name, value = waiting.pop()
        if (name, id(value)) in seen:  # YAML has anchors, so a list can hold itself
            continue
        seen.add((name, id(value)))
        if isinstance(value, Mapping):
            yield from map(_of_key, value)
            waiting += [(str(key), member) for key, member in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [(name, member) for member in value]
        elif value is not None:
            yield from _of_value(name, str(value))


def _of_key(key: Any) -> str:
    name, _, rest = str(key).partition(":")  # password:secret, which lacks the space that YAML wants
    return rest if _SECRET_NAME.search(name) else ""


def _of_value(name: str, text: str) -> Iterator[str]:
    if _SECRET_NAME.search(name):
        yield text
        yield text.partition(":")[2]  # a REST catalog's credential is client:secret
    elif name == "external_id" and len(text) >= _UNMISTAKABLE:
        yield text  # no secret to AWS, but to those who rely on it
    yield from _of_url(text)


def _is_secret(value: str) -> bool:
    common = value.lower() in _PUBLIC or (value.isdecimal() and len(value) < 6)
    return len(value) >= _SHORTEST and not common


def _of_json(text: str) -> Iterator[str]:
    if text.startswith("{"):  # a connection, as Airflow takes it
        with suppress(ValueError):
            yield from secrets_of_settings(json.loads(text))


def _of_url(text: str) -> Iterator[str]:
    # Not urlsplit: it must find the password of a URL that is wrong, too.
    for pattern in _PASSWORDS:
        if (found := pattern.search(text)) and found["password"] not in (found["user"], found["host"], found["path"]):
            yield from {found["password"], *found["password"].split("@")}
    for part in re.split(r"[?&;\s]", text):
        name, equals, value = part.partition("=")
        if equals and _SECRET_NAME.search(name):
            yield value


def _matching(value: str) -> str:
    pattern = re.escape(value)
    return pattern if len(value) >= _UNMISTAKABLE else rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
