"""Read bytes of exactly the listed version of an object, completely or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from vpclogs.objects import LogObject
from vpclogs.s3.errors import ATTEMPTS, S3RequestError, patiently

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ObjectReader"]

_BLOCK_BYTES = 64 << 10  # between two checks of the time limit
_GIVE_UP_AFTER = 3
"""Consecutive reads that failed after all their retries. From then on each read gets one try, until one succeeds.
Otherwise an outage would cost every object of a batch all its retries.
"""


class ObjectReader:
    """Reads ranges of objects; threads may share it.

    A body that breaks off, ends early, or takes longer than ``part_seconds`` is requested again: botocore retries
    requests but not bodies. Without ``sleep``, a pause between tries ends early when the reader is closed.
    """

    def __init__(
        self,
        client: S3Client,
        *,
        requester_pays: bool = False,
        part_seconds: float = 120.0,
        sleep: Callable[[float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._payer: dict[str, Any] = {"RequestPayer": "requester"} if requester_pays else {}
        self._part_seconds = part_seconds
        self._closed = Event()
        self._sleep = sleep or self._pause
        self._clock = clock
        self._failed_in_a_row = 0

    def close(self) -> None:
        """End pending reads at their next try."""
        self._closed.set()

    def read(self, item: LogObject, start: int, end: int) -> bytes:
        """Return bytes ``start`` to ``end`` (half-open) of the listed version.

        Raises:
            S3RequestError: the object is gone, changed, denied, archived, or unavailable now.
        """
        call = partial(self._get, item, start, end)
        attempts = ATTEMPTS if self._failed_in_a_row < _GIVE_UP_AFTER else 1
        try:
            body = patiently(call, _url(item), sleep=self._sleep, attempts=attempts)
        except S3RequestError as error:
            if error.transient:
                self._failed_in_a_row += 1
            raise
        self._failed_in_a_row = 0
        return body

    def _pause(self, seconds: float) -> None:
        self._closed.wait(seconds)

    def _get(self, item: LogObject, start: int, end: int) -> bytes:
        if self._closed.is_set():
            raise S3RequestError("s3_rejected", f"{_url(item)} is no longer wanted")
        request = dict(self._payer)
        # Without a range, some servers add a checksum that botocore verifies.
        if (start, end) != (0, item.size):
            request["Range"] = f"bytes={start}-{end - 1}"
        deadline = self._clock() + self._part_seconds
        # IfMatch: rows of one object never come from two versions of it.
        answer = self._client.get_object(Bucket=item.bucket, Key=item.key, IfMatch=f'"{item.etag}"', **request)
        with closing(answer["Body"]) as stream:
            # The request has If-Match already, but not every S3-compatible server obeys it.
            if answer["ETag"].strip('"') != item.etag:
                raise S3RequestError(
                    "changed", f"{_url(item)} was rewritten after it was listed; the next run loads it"
                )
            body = self._drain(stream, item, deadline)
        # A connection that ends early may look like the end of the body.
        if len(body) != end - start:
            raise S3RequestError("read_failed", f"{len(body)} of {end - start} bytes of {_url(item)} came; rerun later")
        return body

    def _drain(self, stream: Any, item: LogObject, deadline: float) -> bytes:
        blocks = []
        while block := stream.read(_BLOCK_BYTES):
            blocks.append(block)
            if self._clock() > deadline:
                raise S3RequestError("read_failed", f"{_url(item)} came too slowly; rerun later")
        return b"".join(blocks)


def _url(item: LogObject) -> str:
    return f"s3://{item.bucket}/{item.key}"
