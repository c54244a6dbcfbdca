"""Processes of our own for tests, a few milliseconds each: forked from one that has imported everything.

with Forker() as forker:
    child = forker.start("tests.integration.crash_jobs:run", {"run_key": "hour 1"})
    child.kill()
    assert child.wait() == -9
"""

from __future__ import annotations

import importlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_IMPORTS = ("boto3", "pyiceberg.catalog.sql", "pyiceberg.catalog.rest", "pyiceberg.io.pyarrow", "psycopg2")
_IMPORTS += (
    "demo.seaweed",
    "tests.factories",
    "vpclogs.pipeline",
    "vpclogs.parsing.dns.parser",
    "tests.integration.crash_jobs",
)


@dataclass
class Child:
    """One process. ``errors`` is what it wrote to stderr."""

    pid: int
    _log: Path
    _ended: threading.Event
    _status: list[int]

    def kill(self) -> None:
        """SIGKILL: no clean-up, no last words."""
        if not self._ended.is_set():
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds: float = 120) -> int:
        """The exit code, negative for a signal."""
        assert self._ended.wait(seconds), f"process {self.pid} did not end within {seconds} s:\n{self.errors}"
        return os.waitstatus_to_exitcode(self._status[0])

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    @property
    def errors(self) -> str:
        return self._log.read_text()


@dataclass
class Forker:
    """Starts the process that forks. Use it as a context manager."""

    _ended: defaultdict[int, threading.Event] = field(default_factory=lambda: defaultdict(threading.Event))
    _status: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    _pids: list[int] = field(default_factory=list)
    _pid_known: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Forker:
        self._logs = tempfile.TemporaryDirectory(prefix="forked-")
        root = Path(__file__).parents[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forking"],
            cwd=root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()  # it ends with its children when this is closed
        self._process.wait(30)
        self._logs.cleanup()

    def start(self, target: str, argument: Any) -> Child:
        """Run ``module:function`` with a JSON argument in a new process. It exits with 1 if that raises."""
        log = Path(self._logs.name) / f"{len(self._pids)}.log"
        log.touch()
        assert self._process.stdin
        with self._pid_known:
            number = len(self._pids)
            self._process.stdin.write(json.dumps({"target": target, "argument": argument, "log": str(log)}) + "\n")
            self._process.stdin.flush()
            assert self._pid_known.wait_for(lambda: len(self._pids) > number, timeout=120), "the forking process died"
        pid = self._pids[number]
        return Child(pid, log, self._ended[pid], self._status[pid])

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            said = json.loads(line)
            if "status" in said:
                self._status[said["pid"]].append(said["status"])
                self._ended[said["pid"]].set()
            else:
                with self._pid_known:
                    self._ended[said["pid"]], self._status[said["pid"]] = threading.Event(), []
                    self._pids.append(said["pid"])
                    self._pid_known.notify_all()


def _serve() -> None:
    for name in _IMPORTS:
        importlib.import_module(name)
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: set[int] = set()
    while True:
        ready, _, _ = select.select([sys.stdin.buffer.raw, wake], [], [])
        if wake in ready:
            os.read(wake, 1000)
            for pid in [*children]:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    children.remove(pid)
                    print(json.dumps({"pid": pid, "status": status}), flush=True)
        if sys.stdin.buffer.raw in ready:
            line = _line()
            if not line:
                break
            children.add(_fork(json.loads(line)))
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _line() -> bytes:
    """One line, unbuffered: what a buffer held back would not wake `select`."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return b""
        line += byte
    return line


def _fork(job: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        print(json.dumps({"pid": pid}), flush=True)
        return pid
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(job["log"], os.O_WRONLY | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDWR)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    random.seed()
    try:
        module, name = job["target"].split(":")
        getattr(importlib.import_module(module), name)(job["argument"])
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    _serve()
