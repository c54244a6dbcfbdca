"""Escaping of foreign text: nothing raw gets through, nothing is dropped."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from vpclogs.errors import PartitionsFailed, VpcLogsError
from vpclogs.foreign_text import logger, printable, shown, shown_json, shown_lines
from vpclogs.querying.errors import QueryRefused

FORGED = "\x1b[2J\u202e\nvpclogs: published 5 partitions"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x.example.net. Zürich 東京 😀", "x.example.net. Zürich 東京 😀"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\r\n\tb\x00\x7f", r"a\r\n\tb\x00\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202eexe\u2066\u2069", r"\u202eexe\u2066\u2069"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("a\u2028b\u2029\x85", r"a\u2028b\u2029\x85"),
        ("\udc80\ud800", r"\udc80\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_does_not_print_is_escaped(text: str, expected: str) -> None:
    assert shown(text) == expected
    assert shown(expected) == expected


def test_no_character_gets_through_raw() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))

    assert shown(everything).isprintable()
    assert printable(everything).replace("\n", "").replace("\t", "").isprintable()


def test_json_stays_the_same_json() -> None:
    value = {"name\u202e": "".join(map(chr, range(0x3000))) + "\U000e0041😀", "lone": "\udc80"}

    text = shown_json(json.dumps(value, ensure_ascii=False))

    assert text.isprintable()
    assert json.loads(text) == value


def test_further_lines_of_foreign_text_are_indented() -> None:
    assert shown_lines(f"Conversion Error: {FORGED}\n") == [
        r"Conversion Error: \x1b[2J\u202e",
        "  vpclogs: published 5 partitions",
    ]


def test_line_break_in_an_error_is_escaped() -> None:
    assert str(VpcLogsError("first", FORGED)) == "first\n\\x1b[2J\\u202e\\nvpclogs: published 5 partitions"
    assert str(PartitionsFailed([("key", FORGED), ("other", "why")])).split("\n") == [
        "not published (2):",
        r"  key: \x1b[2J\u202e\nvpclogs: published 5 partitions",
        "  other: why",
    ]
    assert str(QueryRefused(f"LINE 1: {FORGED}")).split("\n")[1] == "  vpclogs: published 5 partitions"


def test_log_records_are_escaped_with_their_stack_trace(caplog: pytest.LogCaptureFixture) -> None:
    log = logger("vpclogs.test_foreign_text")

    with caplog.at_level(logging.INFO):
        log.info("key %s", FORGED)
        try:
            raise RuntimeError(FORGED)
        except RuntimeError:
            log.exception("reading %s failed", FORGED)

    first, second = (record.getMessage() for record in caplog.records)
    assert first == r"key \x1b[2J\u202e\nvpclogs: published 5 partitions"
    assert second.startswith(r"reading \x1b[2J\u202e\nvpclogs: published 5 partitions failed")
    assert "RuntimeError" in second
    assert not [line for line in caplog.text.splitlines() if line.startswith("vpclogs: published")]
    assert caplog.text.replace("\n", "").isprintable()
