"""`vpclogs query`: the three formats, and statements that are refused."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.include.vpclogs.cli.conftest import Deployment

VALUES = """
SELECT 1 AS n, 2 AS n, 'ü, "x"' AS text, TIMESTAMPTZ '2026-01-14 12:00:00.5+01' AS time, DATE '2026-01-14' AS day,
       [{'Rdata': '10.0.0.1'}] AS answers, MAP {'k': 'v'} AS extra, NULL AS nothing, true AS yes, 'nan'::DOUBLE AS nan,
       12::HUGEINT * 10 AS huge, 1.25 AS share, 'a\\xFF'::BLOB AS raw
"""


def test_json_is_one_object_a_line(here: Deployment) -> None:
    done = here.vpclogs("query", VALUES, "--format", "json")

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "n": 1,
        "n_2": 2,
        "text": 'ü, "x"',
        "time": "2026-01-14T11:00:00.500000Z",
        "day": "2026-01-14",
        "answers": [{"Rdata": "10.0.0.1"}],
        "extra": {"k": "v"},
        "nothing": None,
        "yes": True,
        "nan": "nan",
        "huge": 120,
        "share": 1.25,
        "raw": "a\\xff",
    }


def test_csv_has_a_header_and_nested_values_as_json(here: Deployment) -> None:
    done = here.vpclogs("query", VALUES, "--format", "csv")

    header, row = csv.reader(io.StringIO(done.stdout))
    assert dict(zip(header, row, strict=True)) == {
        "n": "1",
        "n_2": "2",
        "text": 'ü, "x"',
        "time": "2026-01-14T11:00:00.500000Z",
        "day": "2026-01-14",
        "answers": '[{"Rdata": "10.0.0.1"}]',
        "extra": '{"k": "v"}',
        "nothing": "",
        "yes": "true",
        "nan": "nan",
        "huge": "120",
        "share": "1.25",
        "raw": "a\\xff",
    }


def test_a_table_is_aligned_and_keeps_a_row_on_a_line(here: Deployment) -> None:
    done = here.vpclogs("query", "SELECT 5 AS n, e'a\\n\\x1b[31m[b]' AS t UNION ALL SELECT 10, 'b' ORDER BY n")

    assert done.stdout == " n  t\n 5  a\\n\\x1b[31m[b]\n10  b\n"


def test_a_long_table_is_cut_and_says_so(here: Deployment) -> None:
    done = here.vpclogs("query", "SELECT * FROM range(1001)")

    assert len(done.stdout.splitlines()) == 1001
    assert "only the first 1000 rows are shown" in done.stderr


def test_sql_can_come_from_stdin(here: Deployment) -> None:
    assert here.vpclogs("query", "-", "--format", "json", stdin=b"SELECT 1 AS n").stdout == '{"n": 1}\n'


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        pytest.param("SELECT * FROM vpc_dns", "no table vpc_dns yet", id="no table yet"),
        pytest.param("SELECT 'x'::INT", "Could not convert string 'x' to INT32", id="while running"),
    ],
)
def test_a_query_that_cannot_run_says_why(here: Deployment, sql: str, words: str) -> None:
    done = here.vpclogs("query", sql)

    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
