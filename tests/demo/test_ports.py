"""Which process listens on a port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from demo.ports import free_port, is_free, listens


def test_process_is_identified_by_its_listening_port() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert not listens(os.getpid(), port)  # bound, but connections are refused

        server.listen()

        assert listens(os.getpid(), port)
        assert not listens(child.pid, port)
    child.communicate(b"\n")
    assert not listens(child.pid, port)


def test_a_port_in_use_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", port := free_port()))
        assert not is_free(port)

    assert is_free(port)
