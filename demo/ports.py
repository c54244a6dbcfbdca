"""Loopback ports: which are free, and which process listens on one."""

from __future__ import annotations

import random
import socket
from pathlib import Path

__all__ = ["free_port", "is_free", "listens"]

# Between the ports that `Seaweed` chooses and those that the system gives to outgoing connections,
# either of which could take a port before its server binds it.
_CHOICE = range(31_100, 32_700)
_LISTEN = "0A"  # the kernel's code for the state of a listening socket


def is_free(port: int) -> bool:
    """Return True if a server could bind the port on the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a random port that is free now. It may be taken by the time that a server binds it: then choose anew."""
    return next(port for port in random.sample(_CHOICE, len(_CHOICE)) if is_free(port))


def listens(pid: int, port: int) -> bool:
    """Return True if process ``pid`` is the one that listens on the port.

    A server that answers may be another's, while the own one is just finding the port taken. Where the
    system has no ``/proc``, any process counts.
    """
    tables = [table for name in ("tcp", "tcp6") if (table := Path("/proc/net", name)).exists()]
    if not tables:
        return True
    sockets = {f"socket:[{inode}]" for table in tables for inode in _listening(table.read_text(), port)}
    try:
        files = list(Path(f"/proc/{pid}/fd").iterdir())
    except (FileNotFoundError, PermissionError):  # the process has ended; until it is waited for, its files are root's
        return False
    return any(_target(file) in sockets for file in files)


def _target(link: Path) -> str | None:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # closed since the folder was read
        return None


def _listening(table: str, port: int) -> list[str]:
    """Return the inodes of the sockets that listen on the port, of a table as ``/proc/net/tcp``."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return [row[9] for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port]
