"""Why a query has no result."""

from __future__ import annotations

from vpclogs.errors import VpcLogsError
from vpclogs.foreign_text import shown_lines

__all__ = ["QueryLimitExceeded", "QueryRefused", "TableMissing"]


class QueryRefused(VpcLogsError):
    """Raised when a statement does more than read the tables, or DuckDB cannot run it."""

    def __init__(self, *texts: str) -> None:
        # DuckDB's messages have several lines and quote values of the tables, line breaks and all
        super().__init__(*(line for text in texts for line in shown_lines(text)))


class TableMissing(QueryRefused):
    """Raised when a query names a table of the product that no load has created yet."""


class QueryLimitExceeded(QueryRefused):
    """Raised when a query needs more than its limits allow; the message names the setting."""
