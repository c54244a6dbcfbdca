"""Bring the bytes of listed objects, in order, the next ones while one is parsed."""

from __future__ import annotations

import json
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vpclogs.identifiers import is_region
from vpclogs.objects import LogObject
from vpclogs.parsing.containers import GZIP_MAGIC
from vpclogs.parsing.model import ObjectInput, ObjectState, ObjectUnreadable
from vpclogs.s3.errors import S3RequestError
from vpclogs.s3.reading import ObjectReader

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["NamedRegion", "fetch", "learn_region", "read_head", "read_requests"]

PART_BYTES = 8 << 20
"""How much of an object one request asks for."""

_STATES = {"gone": ObjectState.GONE, "changed": ObjectState.CHANGED}
_HEAD_BYTES = 64 << 10  # compressed; some hundred records
_HEAD_RAW_BYTES = 1 << 20
_HEAD_TRIES = 5


def fetch(
    client: S3Client,
    objects: Sequence[LogObject],
    *,
    threads: int = 8,
    ahead_bytes: int = 64 << 20,
    part_bytes: int = PART_BYTES,
    requester_pays: bool = False,
    part_seconds: float = 120.0,
    sleep: Callable[[float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[ObjectInput]:
    """Yield each object with its bytes as chunks of at most ``part_bytes``.

    Like `itertools.groupby`: an object's chunks are good until the next object is
    asked for; an object not consumed by then is dropped. At most ``ahead_bytes`` (but
    always one part) are held or under way. Iterating the chunks raises
    `ObjectUnreadable` for an object that is gone, changed or cannot be read now.
    """
    reader = ObjectReader(client, requester_pays=requester_pays, part_seconds=part_seconds, sleep=sleep, clock=clock)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fetch")
    ahead = _Ahead(reader, pool, objects, ahead_bytes, part_bytes)
    try:
        for ordinal, item in enumerate(objects):
            ahead.move_to(ordinal)
            yield ObjectInput(ordinal, item.key, ahead.chunks(ordinal), item.region)
    finally:
        reader.close()
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Part:
    ordinal: int
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


class _Ahead:
    """The parts that are held or under way, in the order in which they will be taken."""

    def __init__(
        self,
        reader: ObjectReader,
        pool: ThreadPoolExecutor,
        objects: Sequence[LogObject],
        ahead_bytes: int,
        part_bytes: int,
    ) -> None:
        self._reader = reader
        self._pool = pool
        self._objects = objects
        self._free_bytes = ahead_bytes
        self._current = -1
        self._to_ask = _parts(objects, part_bytes)
        self._next = next(self._to_ask, None)
        self._asked: deque[tuple[_Part, Future[bytes]]] = deque()

    def move_to(self, ordinal: int) -> None:
        """Make an object the current one, and drop the rest of those before it."""
        self._current = ordinal
        while self._asked and self._asked[0][0].ordinal < ordinal:
            part, future = self._asked.popleft()
            future.cancel()
            self._free_bytes += part.size
        while self._next and self._next.ordinal < ordinal:
            self._next = next(self._to_ask, None)
        self._ask()

    def chunks(self, ordinal: int) -> Iterator[bytes]:
        """The bytes of the current object."""
        while True:
            if ordinal != self._current:
                raise RuntimeError("the chunks of an object were read after the next object was asked for")
            if not self._asked or self._asked[0][0].ordinal != ordinal:
                return
            part, future = self._asked.popleft()
            try:
                chunk = future.result()
            except S3RequestError as error:
                raise ObjectUnreadable(
                    _STATES.get(error.reason, ObjectState.FAILED), error.reason, error.detail
                ) from error
            finally:
                self._free_bytes += part.size
            self._ask()  # before the consumer is busy with this chunk
            yield chunk

    def _ask(self) -> None:
        # A part larger than the budget is still asked for, alone; it would wait for ever otherwise.
        while self._next and (self._next.size <= self._free_bytes or not self._asked):
            part, self._next = self._next, next(self._to_ask, None)
            self._free_bytes -= part.size
            read = self._pool.submit(self._reader.read, self._objects[part.ordinal], part.start, part.end)
            self._asked.append((part, read))


def _parts(objects: Sequence[LogObject], part_bytes: int) -> Iterator[_Part]:
    for ordinal, item in enumerate(objects):
        for start in range(0, item.size, part_bytes):
            yield _Part(ordinal, start, min(start + part_bytes, item.size))


def read_requests(objects: Iterable[LogObject]) -> int:
    """Return the number of GET requests that reading the objects takes, one for each part."""
    return sum(-(-item.size // PART_BYTES) for item in objects if item.problem is None)


def read_head(
    client: S3Client,
    item: LogObject,
    n_bytes: int,
    *,
    requester_pays: bool = False,
    sleep: Callable[[float], None] | None = None,
) -> bytes:
    """The first ``n_bytes`` as stored, fewer if the object is smaller.

    Raises:
        S3RequestError: gone, changed, denied, archived, or not to be had now.
    """
    if not item.size:
        return b""
    return ObjectReader(client, requester_pays=requester_pays, sleep=sleep).read(item, 0, min(n_bytes, item.size))


@dataclass(frozen=True, slots=True)
class NamedRegion:
    """The region and account that a record of a DNS object names; ``key`` is the object's."""

    region: str
    account: str
    key: str


def learn_region(
    client: S3Client,
    items: Sequence[LogObject],
    *,
    requester_pays: bool = False,
    sleep: Callable[[float], None] | None = None,
) -> NamedRegion | None:
    """Return the region of the VPC whose DNS objects these are, from the first record that names one.

    Reads the heads of a few objects. Returns None if none of them names a region.
    """
    # A bound on GETs for a VPC whose objects are all broken.
    for item in items[:_HEAD_TRIES]:
        try:
            head = read_head(client, item, _HEAD_BYTES, requester_pays=requester_pays, sleep=sleep)
        except S3RequestError:
            continue  # whoever loads the object will meet and report it
        for line in _raw_head(head).split(b"\n"):
            if named := _named_in(line, item.key):
                return named
    return None


def _raw_head(head: bytes) -> bytes:
    """Return the text at the start of an object, which is gzip or plain text."""
    if not head.startswith(GZIP_MAGIC):
        return head
    try:
        # Cut in the middle, so the end is missing; zlib returns what it has, up to a bound against bombs.
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD_RAW_BYTES)
    except zlib.error:
        return b""


def _named_in(line: bytes, key: str) -> NamedRegion | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    region, account = record.get("region"), record.get("account_id")
    if not isinstance(region, str) or not is_region(region):
        return None
    return NamedRegion(region, account if isinstance(account, str) else "", key)
