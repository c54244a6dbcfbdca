"""Text of foreign origin on its way to a terminal, a log or a message.

Keys, records, ids, column names and other programs' error texts may hold escape sequences,
bidirectional overrides, line breaks or unpaired surrogates. Every sink passes its text through
this module: the terminal (`vpclogs.cli.terminal`), errors (`vpclogs.errors`), log records
(`logger`) and messages (`vpclogs.monitors.notifications`). Text is escaped, never dropped; secrets of
the settings are redacted on the same way.

A line break is foreign like any other character. Text of several lines therefore travels as
several strings, one for each line, and only a sink joins them.
"""

from __future__ import annotations

import logging
import re

from vpclogs.redaction import redacted

__all__ = ["escaped", "logger", "printable", "shown", "shown_json", "shown_lines"]

_INDENT = "  "
_BETWEEN_BREAKS = re.compile(r"[^\n\t]+")


def shown(text: object) -> str:
    """Return `text` on one line, `escaped`, and without the secrets of the settings."""
    return escaped(redacted(str(text)))


def escaped(text: str) -> str:
    r"""Return `text` on one line, with each character that does not print as its escape, such as ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def shown_lines(text: object) -> list[str]:
    """Return the lines of `text`, each as `shown`, all but the first indented.

    For text whose line breaks may be foreign, such as a stack trace: with the indent no line
    can pass for one of ours.
    """
    first, *others = str(text).rstrip("\n").split("\n")
    return [shown(first), *(_INDENT + shown(line) for line in others)]


def printable(text: str) -> str:
    """Return `text` as `shown`, but with its line breaks and tabs: the last guard of a stream."""
    return _BETWEEN_BREAKS.sub(lambda part: shown(part[0]), text)


def shown_json(text: str) -> str:
    r"""Return JSON text with each character that does not print as JSON escapes it, such as ``\u202e``.

    The JSON keeps its meaning: outside its strings every character prints.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _json_escape(char) for char in text)


def logger(name: str) -> logging.Logger:
    """Return the logger of a module, whose records are escaped before any handler sees them."""
    found = logging.getLogger(name)
    found.addFilter(_escape)
    return found


def _escape(record: logging.LogRecord) -> bool:
    record.msg, record.args = shown(record.getMessage()), ()
    if record.exc_info and record.exc_info[1] is not None:
        # Handlers render the exception themselves, so it is rendered here, as the record's own text.
        record.msg = "\n".join([record.msg, *_trace(record.exc_info[1])])
        record.exc_info = None
    return True


def _trace(error: BaseException) -> list[str]:
    import traceback  # only a failure needs it

    return [_INDENT + line for line in shown_lines("".join(traceback.format_exception(error)))]


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
