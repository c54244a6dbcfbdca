"""`vpclogs query`: the three formats, and statements that are refused."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import subprocess

import pytest

from tests.include.vpclogs.cli.conftest import COMMAND, Deployment

pytestmark = pytest.mark.server

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


def test_table_is_aligned_with_one_row_per_line(here: Deployment) -> None:
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


ODD = r"""
SELECT chr(27) || '[2J' || chr(8238) || chr(10) || 'vpclogs: published 5 partitions' AS a, chr(13) AS b, '"' AS c,
       MAP {chr(8238): chr(127)} AS d
"""
ODD_VALUES = ["\x1b[2J\u202e\nvpclogs: published 5 partitions", "\r", '"', '{"\u202e": "\x7f"}']


def test_csv_to_a_pipe_is_exact(here: Deployment) -> None:
    done = here.vpclogs("query", ODD, "--format", "csv")

    assert list(csv.reader(io.StringIO(done.stdout, newline=""))) == [["a", "b", "c", "d"], ODD_VALUES]


def test_json_escapes_what_does_not_print(here: Deployment) -> None:
    done = here.vpclogs("query", ODD, "--format", "json")

    assert done.stdout.rstrip("\n").isprintable()
    assert list(json.loads(done.stdout).values()) == [*ODD_VALUES[:3], {"\u202e": "\x7f"}]


@pytest.mark.parametrize("arguments", [["--format", "csv"], ["--format", "csv", "--spreadsheet"]])
def test_csv_to_a_terminal_is_escaped(here: Deployment, arguments: list[str]) -> None:
    shown = on_terminal(here, "query", ODD, *arguments)

    assert shown.replace("\r\n", "").isprintable()
    assert r"\x1b[2J\u202e\nvpclogs: published 5 partitions" in shown


def test_spreadsheet_makes_formulas_text_and_leaves_numbers(here: Deployment) -> None:
    starts = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"]
    cells = ", ".join(f"chr({ord(start[0])}) || '{start[1:]}' AS c{n}" for n, start in enumerate(starts))
    sql = f"""SELECT {cells}, -1 AS n, -1.5::DECIMAL(3, 1) AS d, '1-1' AS harmless, 2 AS "=cmd" """

    done = here.vpclogs("query", sql, "--format", "csv", "--spreadsheet")

    header, row = csv.reader(io.StringIO(done.stdout, newline=""))
    assert row == [*(f"'{start}" for start in starts), "-1", "-1.5", "1-1", "2"]
    assert header[-1] == "'=cmd"


def test_spreadsheet_is_for_csv_alone(here: Deployment) -> None:
    assert here.vpclogs("query", "select 1", "--spreadsheet").returncode == 2


def test_column_names_and_errors_of_duckdb_are_escaped(here: Deployment) -> None:
    name = "x\x1b[2J\u202e\nvpclogs: published 5 partitions"

    titled = here.vpclogs("query", f'select 1 as "{name}"')
    failed = here.vpclogs("query", f"select '{name}'::int")

    shown = r"x\x1b[2J\u202e\nvpclogs: published 5 partitions"
    assert titled.stdout.splitlines()[0] == shown
    assert failed.returncode == 1
    for line in (titled.stdout + failed.stderr).splitlines():
        assert line.isprintable()
        assert not line.startswith("vpclogs: published")


def on_terminal(here: Deployment, *arguments: str) -> str:
    """What the command writes if its stdout is a terminal."""
    ours, its = pty.openpty()
    chunks = []
    with subprocess.Popen([COMMAND, *arguments], cwd=here.folder, env=here.env, stdout=its) as running:
        os.close(its)
        with contextlib.suppress(OSError):  # EIO is the end
            while chunk := os.read(ours, 65536):
                chunks.append(chunk)
        os.close(ours)
    assert running.returncode == 0
    return b"".join(chunks).decode()
