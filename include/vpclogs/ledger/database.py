"""The ledger's database: SQLite (WAL) on one machine, PostgreSQL for many workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DataError, IntegrityError

from vpclogs.errors import VpcLogsError

__all__ = ["HEAD", "REFUSALS", "Database", "refusal"]

HEAD = "0005"
"""The newest migration. A ledger at this revision opens without importing Alembic, which every task would pay for."""

REFUSALS = (DataError, IntegrityError, ValueError)
"""Errors about the values of a statement, as opposed to the server. Drivers raise ValueError for text that cannot be
encoded or, with PostgreSQL, has a NUL."""

# Longer than any transaction of ours takes, shorter than a task's time limit.
_LOCK_WAIT_SECONDS = 120
# An arbitrary constant that names the ledger's advisory lock in PostgreSQL.
_ADVISORY_LOCK = 0x76706C6F6773
# A client that disappears (its host lost power) holds the lock no longer than this.
_POSTGRESQL_LIMITS = (
    f"SET LOCAL lock_timeout = '{_LOCK_WAIT_SECONDS}s'; SET LOCAL idle_in_transaction_session_timeout = '60s'"
)


def refusal(error: Exception) -> str:
    """Return the first line of the message of the database or its driver, without the statement."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


class Database:
    """Opens the ledger, applies pending migrations, and provides transactions.

    ``write()`` transactions run one at a time, so a value that one of them reads cannot change before it commits.
    Claiming a publish relies on this. Keep them short.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.engine = _engine(url)
        if read_only:
            self._require_head()
        else:
            self._migrate()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Provide a connection for reading committed data."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Provide a write transaction: it commits at the end and rolls back on an error."""
        with self.engine.connect() as connection:
            if self.engine.dialect.name == "sqlite":
                # Takes the write lock at once: a transaction that read first and then writes could deadlock.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(text(_POSTGRESQL_LIMITS))
                connection.execute(text("SELECT pg_advisory_xact_lock(:name)"), {"name": _ADVISORY_LOCK})
            yield connection
            connection.commit()

    def _revision(self) -> str | None:
        with self.read() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return str(connection.scalar(text("SELECT version_num FROM alembic_version")))

    def _require_head(self) -> None:
        # A login that may only read cannot migrate, and must not fail later with an SQL error.
        found = self._revision()
        if found != HEAD:
            state = "is new" if found is None else f"has revision {found}, this release needs {HEAD}"
            raise VpcLogsError(f"the ledger {state}: run `vpclogs status` or a DAG once, which updates it")

    def _migrate(self) -> None:
        if self._revision() == HEAD:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.write() as connection:  # one process migrates; the others wait and find it done
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        # send updates of thousands of objects in pages, not one round trip each
        batched = {"executemany_mode": "values_plus_batch"} if parsed.get_driver_name() == "psycopg2" else {}
        return create_engine(parsed, pool_pre_ping=True, **batched)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": _LOCK_WAIT_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is sent explicitly; the driver would defer it
        # Readers, such as the page, do not block the writer and are not blocked by it.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # a claim must survive a power cut
        connection.execute("PRAGMA foreign_keys=ON")

    return engine
