"""The judge of SQL: only one statement that reads the tables, and calls functions that compute, may run.

The judge takes no part of the text by itself. DuckDB's own parser reads the statement, DuckDB
serializes its tree, and the judge visits every node of the tree. Each kind of node, table and
function is on an allow-list, so a kind that a later DuckDB adds is refused. What DuckDB cannot
serialize is refused too: only SELECT can be serialized.
"""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import pairwise
from typing import Any

import duckdb

from vpclogs.querying.errors import QueryRefused
from vpclogs.querying.functions import FUNCTIONS, TABLE_FUNCTIONS
from vpclogs.querying.hints import closest, keyword_hint

__all__ = ["TABLES", "judge"]

Node = dict[str, Any]
"""A node of a statement's tree, as DuckDB serializes it."""

TABLES = ("vpc_dns", "vpc_flow", "quarantine")
"""The tables that a query may read, where they exist."""

_PLACES = {("", ""), ("", "main"), ("", "temp"), ("temp", "main")}
"""Catalog and schema with which a query may qualify a table. The views are in ``temp.main``."""

_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"}
_SOURCES = {"BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SHOW_REF", "SUBQUERY", "TABLE_FUNCTION"}
_MODIFIERS = {"DISTINCT_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "ORDER_MODIFIER"}
_ORDERS = {"ORDER_DEFAULT", "ASCENDING", "DESCENDING"}
_TYPES = {f"{kind}_TYPE_INFO" for kind in ("ARRAY", "DECIMAL", "ENUM", "GENERIC", "LIST", "STRING", "STRUCT")}
_KINDS = _NODES | _SOURCES | _MODIFIERS | _ORDERS | _TYPES | {"UNBOUND_TYPE_INFO"}

_EXPRESSIONS = {"BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "DEFAULT"}
_EXPRESSIONS |= {"FUNCTION", "LAMBDA", "LAMBDA_REF", "OPERATOR", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE"}
_EXPRESSIONS |= {"WINDOW"}

_CTE_NAME = re.compile(r"[\w $-]+")  # a name with a dot, slash or colon could be taken for a file's

_ONE_READING_STATEMENT = (
    "a query is one statement that reads: SELECT, WITH, VALUES, DESCRIBE, SHOW TABLES, SUMMARIZE, or EXPLAIN of these"
)


def judge(sql: str) -> duckdb.Statement:
    """Return the parsed statement of `sql` if it only reads the tables.

    Raises:
        QueryRefused: it is more than one statement, does more than read, or is not SQL.
    """
    if "\0" in sql:
        raise QueryRefused("a query has no NUL characters")
    statement = _only_statement(sql)
    if statement.type == duckdb.StatementType.EXPLAIN:
        options, explained = _explained(statement.query)
        _require_reading(explained)
        # Built around the judged text, so that it can explain nothing else.
        rebuilt = _only_statement(f"EXPLAIN {options} {explained}")
        if rebuilt.type != duckdb.StatementType.EXPLAIN:
            raise QueryRefused(_ONE_READING_STATEMENT)
        return rebuilt
    _require_reading(sql)
    return statement


def _only_statement(sql: str) -> duckdb.Statement:
    try:
        statements = _engine().extract_statements(sql)
    except duckdb.Error as error:
        raise QueryRefused(str(error), *keyword_hint(sql, str(error))) from None
    # DuckDB splits a PIVOT without values into several statements.
    if len(statements) != 1:
        hint = ["a PIVOT needs its values: PIVOT … ON column IN (…)"] if re.search(r"(?i)\bpivot", sql) else []
        raise QueryRefused(_ONE_READING_STATEMENT, *hint)
    return statements[0]


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """Return an engine without tables, files and settings of ours: it parses and nothing else."""
    engine = duckdb.connect(config={"python_enable_replacements": "false", "threads": 1})
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")
    return engine


def _explained(text: str) -> tuple[str, str]:
    """Return the options of an EXPLAIN, without those that DuckDB does not know, and the text that it explains.

    DuckDB's own tokens tell them apart: they skip comments, and a string is one of them.
    """
    raw = text.encode()
    starts = [start for start, _ in duckdb.tokenize(text)] + [len(raw)]
    tokens = [raw[start:end] for start, end in pairwise(starts)]
    words = [match[0].lower() if (match := re.match(rb"'\w*'|\w+|.", token)) else b"" for token in tokens]
    if words[:1] != [b"explain"]:
        raise QueryRefused(_ONE_READING_STATEMENT)
    if words[1:2] and words[1] in (b"analyze", b"analyse"):
        return "ANALYZE", raw[starts[2] :].decode()
    if words[1:2] == [b"("] and words[2] in (b"analyze", b"analyse", b"format"):
        end = words.index(b")")
        options = words[2:end]
        if not all(re.fullmatch(rb"'\w*'|\w+|,", word) for word in options):
            raise QueryRefused("the options of EXPLAIN are ANALYZE and FORMAT")
        return f"({b' '.join(options).decode()})", raw[starts[end + 1] :].decode()
    return "", raw[starts[1] :].decode()


def _require_reading(sql: str) -> None:
    if _only_statement(sql).type != duckdb.StatementType.SELECT:
        raise QueryRefused(_ONE_READING_STATEMENT)
    # The text is a parameter here: whatever it contains, it is parsed and never run.
    row = _engine().execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    try:
        tree: Node = json.loads(row[0]) if row else {"error": True}
        if tree["error"] or len(tree["statements"]) != 1:
            raise QueryRefused(_ONE_READING_STATEMENT)
        _visit(tree["statements"][0], frozenset())
    except RecursionError:
        raise QueryRefused("the query is nested too deeply; write it with fewer levels, or with IN lists") from None


def _visit(item: Any, ctes: frozenset[str]) -> None:
    """Visit a part of the tree. ``ctes`` are the names of the common table expressions in scope."""
    if isinstance(item, list):
        for member in item:
            _visit(member, ctes)
    elif isinstance(item, dict):
        kind = item.get("type")
        if "class" in item:
            _visit_expression(item, ctes)
        elif not isinstance(kind, str):
            _visit(list(item.values()), ctes)
        elif kind not in _KINDS:
            raise QueryRefused(f"queries may not use {kind.lower().replace('_', ' ')}")
        elif kind in _NODES:
            _visit_node(item, ctes)
        elif kind in _SOURCES:
            _visit_source(item, ctes)
        else:
            _visit(list(item.values()), ctes)


def _visit_expression(item: Node, ctes: frozenset[str]) -> None:
    match item["class"]:
        case "CONSTANT":
            return  # a value of the statement itself
        case "PARAMETER":
            raise QueryRefused("a query has no parameters ($1, ?): write the values themselves")
        case "FUNCTION" | "WINDOW":
            _require_function(item, FUNCTIONS)
        case other if other not in _EXPRESSIONS:
            raise QueryRefused(f"queries may not use {str(other).lower().replace('_', ' ')}")
    _visit(list(item.values()), ctes)


def _visit_node(item: Node, ctes: frozenset[str]) -> None:
    """Visit a query. Each of its CTEs sees those before it, and itself only if it is recursive."""
    for cte in item["cte_map"]["map"]:
        _visit(cte["value"], ctes)
        if not _CTE_NAME.fullmatch(cte["key"]):
            raise QueryRefused(f"the name {cte['key']!r} of a WITH query has characters other than letters, digits, _")
        ctes |= {cte["key"].lower()}
    for key, value in item.items():
        recursive = item["type"] == "RECURSIVE_CTE_NODE" and key == "right"
        if key != "cte_map":
            _visit(value, ctes | {item["cte_name"].lower()} if recursive else ctes)


def _visit_source(item: Node, ctes: frozenset[str]) -> None:
    match item["type"]:
        case "BASE_TABLE":
            _require_table(item, ctes)
        case "SHOW_REF":
            if item["query"] is None and (item["table_name"], item["show_type"]) != ('"tables"', "SHOW_UNQUALIFIED"):
                raise QueryRefused("of SHOW, queries may use SHOW TABLES, and DESCRIBE and SUMMARIZE of a table")
        case "TABLE_FUNCTION":
            function = item["function"]
            if function["class"] != "FUNCTION":
                raise QueryRefused(_ONE_READING_STATEMENT)
            _require_function(function, TABLE_FUNCTIONS)
            _visit([value for key, value in item.items() if key != "function"], ctes)
            _visit(list(function.values()), ctes)
            return
    _visit(list(item.values()), ctes)


def _require_table(item: Node, ctes: frozenset[str]) -> None:
    name = item["table_name"]
    place = (item["catalog_name"].lower(), item["schema_name"].lower())
    if item["at_clause"] is not None:
        raise QueryRefused("queries read the tables as they are now: remove AT (…)")
    if place == ("", "") and name.lower() in ctes:
        return
    if place not in _PLACES or name.lower() not in TABLES:
        written = ".".join(filter(None, (item["catalog_name"], item["schema_name"], name)))
        raise QueryRefused(
            f"there is no table {written!r}: queries read the tables {', '.join(TABLES)} and their own WITH queries, "
            f"and {', '.join(sorted(TABLE_FUNCTIONS))} in place of a table; never files"
        )


def _require_function(item: Node, allowed: frozenset[str]) -> None:
    name = item["function_name"].lower()
    if name in allowed:
        return
    if allowed is TABLE_FUNCTIONS:
        raise QueryRefused(
            f"queries may not use {name!r} in place of a table: allowed are the tables {', '.join(TABLES)} and "
            f"the functions {', '.join(sorted(TABLE_FUNCTIONS))}"
        )
    hint = closest(name, FUNCTIONS)
    raise QueryRefused(
        f"queries may not call {name!r}{hint}: allowed are functions that compute a value from their arguments, "
        "none that reads files, settings, secrets or the catalog, runs SQL, or writes; see docs/command.md"
    )
