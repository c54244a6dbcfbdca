"""A proxy between a client and a server (S3, or an Iceberg catalog) that breaks what it is told to break.

The Host header goes through unchanged, so signatures made for the proxy's address hold.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

_ERROR = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>{message}</Message></Error>"""
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length"}


@dataclass
class Fault:
    """One thing to break, for requests whose method and decoded path with query match ``pattern``.

    It happens ``times`` times (None: always), after ``skip`` that go through. ``hits`` counts.
    """

    pattern: str
    times: int | None = 1
    skip: int = 0
    answer: tuple[int, str, str] | None = None  # status, code, message: the server is not asked
    forward: bool = False  # but with this it is asked, and only its own answer is lost
    keep_bytes: int | None = None  # of the body, then the connection breaks
    reset: bool = False  # break it by RST, not by an orderly end
    claim_all: bool = True  # announce the full length though less comes
    seconds_per_kib: float = 0.0
    etag: str | None = None
    hits: int = 0


@dataclass
class FaultProxy:
    """Listens on a free loopback port while used as a context manager.

    ``requests`` lists each request as ``METHOD decoded-path?query [range]``.
    """

    upstream: str
    requests: list[str] = field(default_factory=list)
    _faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> FaultProxy:
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """The trouble is over: from here on all goes through."""
        with self._lock:
            self._faults.clear()

    def slow_down(self, pattern: str = ".", times: int | None = 1) -> Fault:
        """503 SlowDown."""
        return self.add(Fault(pattern, times, answer=(503, "SlowDown", "Please reduce your request rate.")))

    def deny(self, pattern: str = ".", times: int | None = None) -> Fault:
        """403 AccessDenied."""
        return self.add(Fault(pattern, times, answer=(403, "AccessDenied", "Access Denied")))

    def respond(self, status: int, code: str, message: str, pattern: str = ".", times: int | None = None) -> Fault:
        """Any error of S3's."""
        return self.add(Fault(pattern, times, answer=(status, code, message)))

    def reset(self, pattern: str = ".", times: int | None = 1, *, after: int = 10) -> Fault:
        """Connection reset by peer after so many bytes of the body."""
        return self.add(Fault(pattern, times, keep_bytes=after, reset=True))

    def cut(self, pattern: str = ".", times: int | None = 1, *, after: int = 10, claim_all: bool = True) -> Fault:
        """A body that ends early; without ``claim_all`` even the announced length is the short one."""
        return self.add(Fault(pattern, times, keep_bytes=after, claim_all=claim_all))

    def slow(self, pattern: str = ".", times: int | None = 1, *, seconds_per_kib: float) -> Fault:
        """A body that drips."""
        return self.add(Fault(pattern, times, seconds_per_kib=seconds_per_kib))

    def other_etag(self, pattern: str = ".", times: int | None = None, *, etag: str = "0" * 32) -> Fault:
        """An answer with another ETag, as of a server that ignores If-Match."""
        return self.add(Fault(pattern, times, etag=etag))

    def _record(self, request: str) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            for fault in self._faults:
                if not re.search(fault.pattern, request) or fault.hits == fault.times:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)  # no orderly shutdown first: with SO_LINGER 0 the close must be a reset

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are the point of this."""


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            ranged = self.headers.get("Range", "")
            fault = proxy._record(f"{self.command} {unquote(self.path)} {ranged}".rstrip())
            if fault and fault.answer:
                if fault.forward:
                    self._ask(body)
                self._refuse(*fault.answer)
            else:
                self._forward(body, fault)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _any  # noqa: N815

        def _refuse(self, status: int, code: str, message: str) -> None:
            body = _ERROR.format(code=code, message=message).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _ask(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
            target = urlsplit(proxy.upstream)
            with contextlib.closing(http.client.HTTPConnection(str(target.hostname), target.port)) as upstream:
                upstream.request(self.command, self.path, body or None, dict(self.headers))
                answer = upstream.getresponse()
                return answer, answer.read()

        def _forward(self, body: bytes, fault: Fault | None) -> None:
            answer, content = self._ask(body)
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() == "etag" and fault and fault.etag:
                    value = f'"{fault.etag}"'
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            sent = content if fault is None or fault.keep_bytes is None else content[: fault.keep_bytes]
            whole = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
            claimed = len(sent) if fault and not fault.claim_all else whole
            self.send_header("Content-Length", str(claimed))
            if len(sent) < len(content):
                # Said, lest a client that noticed nothing sends its next request into a closing connection.
                self.send_header("Connection", "close")
            self.end_headers()
            for piece in _pieces(sent, fault.seconds_per_kib if fault else 0):
                self.wfile.write(piece)
            if len(sent) < len(content):
                self._break(reset=fault is not None and fault.reset)

        def _break(self, *, reset: bool) -> None:
            self.wfile.flush()
            self.close_connection = True
            if reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    return Handler


def _pieces(body: bytes, seconds_per_kib: float) -> Iterator[bytes]:
    if not seconds_per_kib:
        yield body
        return
    for start in range(0, len(body), 1024):
        time.sleep(seconds_per_kib)
        yield body[start : start + 1024]
