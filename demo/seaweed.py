"""A SeaweedFS server on this machine: the S3 server of the demo and of the tests.

`weed mini` is one process with master, volume, filer, S3 and Iceberg REST catalog.
Every port is pinned next to one base port, every socket is bound to 127.0.0.1, and
telemetry is off, because the defaults of all three are wider than a demo should be.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from demo.ports import listens
from demo.seaweed_ports import (
    ICEBERG,
    PortLostError,
    SeaweedError,
    free_base,
    ports_from,
    remove_sockets,
    require_free,
    reserve,
)
from demo.seaweed_process import ADMIN, READER, SECRETS, run_weed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ADMIN", "READER", "Seaweed", "SeaweedError"]

# Idle, it is ready after a second. A server that ended is noticed at once, so patience costs nothing.
_READY_SECONDS = 180.0
_STOP_SECONDS = 20.0
_ATTEMPTS = 5  # a free port can be taken before it is bound
_PROBE = ".ready"
_ALL_PORTS_SECONDS = 5.0


class Seaweed:
    """One server with its data in ``folder``. Use it as a context manager, or `start` and `stop`.

    Without ``port`` a free range is taken that begins with a port of ``choose_port``. A
    server that already runs on the same folder is found again and used, also from another
    process. ``buckets`` are made at the start; ``table_bucket`` is the warehouse of the
    Iceberg REST catalog.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        buckets: Sequence[str] = ("logs",),
        table_bucket: str | None = None,
        secrets: Mapping[str, str] = SECRETS,
        choose_port: Callable[[], int] | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.buckets = tuple(buckets)
        self.table_bucket = table_bucket
        self.secrets = dict(secrets)
        self._choose_port = choose_port or free_base

    def __enter__(self) -> Seaweed:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """URL of the S3 server."""
        return f"http://127.0.0.1:{self._base}"

    @property
    def iceberg_endpoint(self) -> str:
        """URL of the Iceberg REST catalog; serves tables if there is a ``table_bucket``."""
        return f"http://127.0.0.1:{self._base + ICEBERG}"

    @property
    def pid(self) -> int | None:
        """Process id of the server that runs on this folder, if one does."""
        state = self._running()
        return state["pid"] if state else None

    def credentials(self, user: str = ADMIN) -> dict[str, Any]:
        """Keyword arguments of a boto3 session for one user."""
        return {
            "aws_access_key_id": user,
            "aws_secret_access_key": self.secrets[user],
            "region_name": "us-east-1",
        }

    def client(self, user: str = ADMIN, *, endpoint: str | None = None, config: Config | None = None) -> S3Client:
        """A boto3 S3 client for one user. ``endpoint`` may be a proxy in front of the server."""
        base = Config(s3={"addressing_style": "path"}, max_pool_connections=32)
        return boto3.Session(**self.credentials(user)).client(
            "s3", endpoint_url=endpoint or self.endpoint, config=base.merge(config) if config else base
        )

    def catalog_properties(self) -> dict[str, str]:
        """Properties for ``pyiceberg.catalog.load_catalog(name, **properties)``, the REST catalog."""
        return {
            "type": "rest",
            "uri": self.iceberg_endpoint,
            "warehouse": f"s3://{self.table_bucket}",
            "credential": f"{ADMIN}:{self.secrets[ADMIN]}",
            **self.file_properties(),
        }

    def file_properties(self) -> dict[str, str]:
        """Only the S3 part of `catalog_properties`: for any catalog with an ``s3://`` warehouse."""
        return {
            "s3.endpoint": self.endpoint,
            "s3.access-key-id": ADMIN,
            "s3.secret-access-key": self.secrets[ADMIN],
            "s3.region": "us-east-1",
            "s3.path-style-access": "true",
        }

    def deny(self, bucket: str, *prefixes: str, user: str = READER, read: bool = True, listing: bool = True) -> None:
        """Refuse ``user`` the listing and reading below ``prefixes``, by bucket policy.

        Replaces what an earlier call refused in this bucket; without prefixes nothing is refused.
        """
        client = self.client()
        if not prefixes:
            client.delete_bucket_policy(Bucket=bucket)
            return
        statements = list(_deny_statements(bucket, prefixes, user, read=read, listing=listing))
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))

    def start(self) -> None:
        """Start the server and wait until objects can be written and read. If it runs already, only wait.

        Without a given port, another range of ports is chosen if one of them is taken before it is bound.

        Raises:
            SeaweedError: a port is taken, the wheel is not installed, or it did not get ready.
        """
        if state := self._running():
            if self.port not in (None, state["port"]):
                raise SeaweedError(
                    f"SeaweedFS already runs on {self.folder} at port {state['port']}, not {self.port}: stop it first"
                )
            self.port = state["port"]
            self._wait_ready(state["pid"], state["port"])
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.port:
            require_free(self.port)
        for attempt in range(1, _ATTEMPTS + 1):
            base = self.port or self._choose_port()
            try:
                self._start_at(base)
            except PortLostError:
                if self.port or attempt == _ATTEMPTS:
                    raise
            else:
                self.port = base
                return

    def stop(self) -> None:
        """Stop the server that runs on this folder, whoever started it. Does nothing if none does."""
        state = self._running()
        if not state:
            return
        os.kill(state["pid"], signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while self._running():
            if time.monotonic() > deadline:
                _kill(state["pid"])
            time.sleep(0.05)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(state["pid"], 0)
        with contextlib.suppress(PortLostError), reserve(state["port"]):
            remove_sockets(state["port"])

    @property
    def _base(self) -> int:
        if self.port is None and (state := self._running()):
            self.port = state["port"]
        if self.port is None:
            raise SeaweedError(f"SeaweedFS does not run on {self.folder}: call start() first")
        return self.port

    def _running(self) -> dict[str, int] | None:
        """Process id and port if a server runs. It holds the lock as long as it lives, so no stale pid is believed."""
        try:
            lock = (self.folder / "weed.lock").open()
        except FileNotFoundError:
            return None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                state: dict[str, int] = json.loads((self.folder / "weed.json").read_text())
                return state
        return None

    def _start_at(self, base: int) -> None:
        with reserve(base) as reservation:
            process = self._spawn(base, reservation)
            try:
                self._wait_ready(process.pid, base, process)
            except SeaweedError:
                _kill(process.pid)
                process.wait()
                remove_sockets(base)
                raise

    def _spawn(self, base: int, reservation: socket.socket) -> subprocess.Popen[bytes]:
        with (self.folder / "weed.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SeaweedError(f"another process is just starting SeaweedFS on {self.folder}: try again") from None
            process = run_weed(
                self.folder,
                base,
                secrets=self.secrets,
                buckets=self.buckets,
                table_bucket=self.table_bucket,
                keep_open=[lock.fileno(), reservation.fileno()],
            )
        (self.folder / "weed.json").write_text(json.dumps({"pid": process.pid, "port": base}))
        return process

    def _wait_ready(self, pid: int, base: int, process: subprocess.Popen[bytes] | None = None) -> None:
        """Wait until the server serves all its buckets, on all its ports: weed avoids a gRPC port that is taken,
        and not all its parts hear of that.
        """
        client = self.client(
            endpoint=f"http://127.0.0.1:{base}",
            config=Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1}),
        )
        deadline = time.monotonic() + _READY_SECONDS
        serving_since, problem = None, "it does not listen"
        while (now := time.monotonic()) < deadline:
            if process is not None and process.poll() is not None:
                raise PortLostError(f"SeaweedFS ended by itself. {self._log_end()}")
            missing = [port for port in ports_from(base).values() if not listens(pid, port)]
            if serving_since and now > serving_since + _ALL_PORTS_SECONDS:
                raise PortLostError(f"SeaweedFS does not listen on the ports {missing}. {self._log_end()}")
            if base not in missing:
                try:
                    if self._serves(client):
                        serving_since = serving_since or now
                        if not missing:
                            return
                except (BotoCoreError, ClientError) as error:
                    problem = str(error)
            time.sleep(0.1)
        raise SeaweedError(f"SeaweedFS was not ready after {_READY_SECONDS:.0f} s: {problem}. {self._log_end()}")

    def _serves(self, client: S3Client) -> bool:
        """Return True if all buckets exist, and an object can be written, read and deleted."""
        wanted = {*self.buckets, *([self.table_bucket] if self.table_bucket else [])}
        if not wanted <= {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            return False
        for bucket in self.buckets:
            client.put_object(Bucket=bucket, Key=_PROBE, Body=b"ready")
            client.get_object(Bucket=bucket, Key=_PROBE)["Body"].read()
            client.delete_object(Bucket=bucket, Key=_PROBE)
        return True

    def _log_end(self) -> str:
        log = self.folder / "weed.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return f"The end of {log}:\n" + "\n".join(lines[-15:])


def _deny_statements(
    bucket: str, prefixes: Sequence[str], user: str, *, read: bool, listing: bool
) -> Iterator[dict[str, Any]]:
    who = {"Effect": "Deny", "Principal": {"AWS": f"arn:aws:iam::000000000000:user/{user}"}}
    if read:
        yield who | {"Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{bucket}/{p}*" for p in prefixes]}
    if listing:
        condition = {"StringLike": {"s3:prefix": [f"{p}*" for p in prefixes]}}
        yield who | {"Action": ["s3:ListBucket"], "Resource": [f"arn:aws:s3:::{bucket}"], "Condition": condition}


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
