"""Background processes that outlive the command that started them, and can be found again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Background"]


@dataclass(frozen=True, slots=True)
class Background:
    """One process, known by a name: its lock and pid in ``folder``, its output in ``log``.

    The process holds its lock file as long as it or a child lives, so a pid that
    the system has given to another program is never taken for ours.
    """

    name: str
    folder: Path
    log: Path

    @property
    def running(self) -> bool:
        try:
            lock = (self.folder / f"{self.name}.lock").open()
        except FileNotFoundError:
            return False
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def start(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        """Start ``command``. It must not run yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{self.name}.lock").open("w") as lock, self.log.open("ab") as log:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            process = subprocess.Popen(
                command,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal is for us, who then stop it in order
            )
        (self.folder / f"{self.name}.pid").write_text(str(process.pid))

    def ask_to_stop(self) -> None:
        """Ask the process to end, which ends its children in order; `wait_stopped` sees to it."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def wait_stopped(self, *, patience: float = 40) -> None:
        """Wait until the process and its children are gone; ends them by force after ``patience`` seconds."""
        deadline = time.monotonic() + patience
        while self.running:
            if time.monotonic() > deadline:
                self._kill_all()
            self._reap()
            time.sleep(0.1)
        self._reap()

    def log_end(self, lines: int = 15) -> str:
        """Return a sentence with the log's path and its last lines."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"The end of {self.log}:\n" + "\n".join(text.splitlines()[-lines:])

    @property
    def pid(self) -> int:
        """The id of the process that was started last, which may have ended."""
        return int((self.folder / f"{self.name}.pid").read_text())

    def _kill_all(self) -> None:
        """End the process and all it started: its session, because Airflow's tasks leave its process group."""
        leader = self.pid
        for pid in [leader, *(int(entry.name) for entry in Path("/proc").glob("[0-9]*"))]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(pid) == leader:
                    os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Take leave of a process that this very process started, so that it is no zombie."""
        with contextlib.suppress(ChildProcessError, FileNotFoundError):
            os.waitpid(self.pid, os.WNOHANG)
