"""`make demo-put`: a log file of the user's own into the demo's bucket, under the key that AWS would give it."""

from __future__ import annotations

import gzip
import re
import zlib
from datetime import datetime
from pathlib import Path

from demo.options import DemoError
from demo.stack import BUCKET, Stack
from vpclogs.partitions import LogType

__all__ = ["key_for", "put"]

_ACCOUNT = "999999999999"  # no account of the sample
_DNS_NAME = re.compile(r"(vpc-[0-9a-f]+)_vpcdnsquerylogs_([0-9]{12})_([0-9]{4})([0-9]{2})([0-9]{2})T.*")
_FLOW_NAME = re.compile(r"([0-9]{12})_vpcflowlogs_([a-z0-9-]+)_fl-[0-9a-f]+_([0-9]{4})([0-9]{2})([0-9]{2})T.*")


def put(stack: Stack, path: Path) -> None:
    """Put a file into the bucket, compressed if it is text, and print where it is and how to load it.

    Raises:
        DemoError: the file cannot be read, or the demo has never run.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DemoError(f"{path} cannot be read: {error.strerror}; name a log: make demo-put FILE=my.log.gz") from None
    if not stack.config.exists():
        raise DemoError("there is no demo yet: run make demo first")
    stack.start_s3()
    log_type, key = key_for(path.name, data, now=stack.now)
    body = data if data.startswith((b"\x1f\x8b", b"PAR1")) else gzip.compress(data)
    stack.seaweed.client().put_object(Bucket=BUCKET, Key=key, Body=body)
    print(f"s3://{BUCKET}/{key}")
    print(f"make demo loads it, as the next run of {log_type}_hourly does. Then, in a shell with the demo's settings:")
    print(f"  vpclogs query \"select * from {log_type} where p_source_key = '{key}'\"")
    print(f"  vpclogs query \"select reason, detail, raw from quarantine where p_source_key = '{key}'\"")


def key_for(name: str, data: bytes, *, now: datetime) -> tuple[LogType, str]:
    """Return the log type and the key of a file: by its name if AWS gave it, else by its first line, of today."""
    if match := _DNS_NAME.fullmatch(name):
        vpc, account, year, month, day = match.groups()
        return LogType.VPC_DNS, f"AWSLogs/{account}/vpcdnsquerylogs/{vpc}/{year}/{month}/{day}/{name}"
    if match := _FLOW_NAME.fullmatch(name):
        account, region, year, month, day = match.groups()
        return LogType.VPC_FLOW, f"AWSLogs/{account}/vpcflowlogs/{region}/{year}/{month}/{day}/{name}"
    time, digits = now.strftime("%Y%m%dT%H%MZ"), f"{zlib.crc32(data):08x}"
    day = now.strftime("%Y/%m/%d")
    if _beginning(data).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        file = f"vpc-0de30f11e_vpcdnsquerylogs_{_ACCOUNT}_{time}_{digits}.log.gz"
        return LogType.VPC_DNS, f"AWSLogs/{_ACCOUNT}/vpcdnsquerylogs/vpc-0de30f11e/{day}/{file}"
    ending = ".log.parquet" if data.startswith(b"PAR1") else ".log.gz"
    file = f"{_ACCOUNT}_vpcflowlogs_eu-central-1_fl-0de30f11e_{time}_{digits}{ending}"
    return LogType.VPC_FLOW, f"AWSLogs/{_ACCOUNT}/vpcflowlogs/eu-central-1/{day}/{file}"


def _beginning(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data[:4096]
    try:
        return zlib.decompressobj(wbits=31).decompress(data[:65536], 4096)
    except zlib.error:
        return b""
