"""One delivered S3 object, pinned to the version that was listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from hashlib import blake2b

from vpclogs.partitions import LogType, Partition

__all__ = ["LogObject", "object_identity"]


def object_identity(bucket: str, key: str, etag: str) -> str:
    """Return 24 hex digits that identify one version of one object; the first part of each row id."""
    return blake2b(f"{bucket}\0{key}\0{etag}".encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class LogObject:
    """A listed object. ``etag`` has no quotes; ``size`` is in bytes as stored (compressed).

    ``scope`` is the VPC id of a DNS object or the flow log id of a flow object. ``region`` is None for a DNS object
    until its VPC's region is known. ``problem`` is a reason code if the object must be refused without reading it.
    """

    source: str
    log_type: LogType
    bucket: str
    key: str
    etag: str
    size: int
    last_modified: datetime
    account: str
    region: str | None
    day: date
    scope: str
    problem: str | None = None

    @property
    def identity(self) -> str:
        """The identity of this version; see `object_identity`."""
        return object_identity(self.bucket, self.key, self.etag)

    @property
    def partition(self) -> Partition:
        """The partition of this object. Raises ValueError while the region is unknown."""
        if self.region is None:
            raise ValueError(f"the region of s3://{self.bucket}/{self.key} is not known yet")
        return Partition(self.log_type, self.account, self.region, self.day)
