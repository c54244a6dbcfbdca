"""``vpclogs parse``: parse files and print their records, without loading them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from vpclogs.cli.terminal import RESULTS, Subparsers, UsageError
from vpclogs.partitions import LogType

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from vpclogs.config.settings import Settings
    from vpclogs.config.sources import Source
    from vpclogs.objects import LogObject
    from vpclogs.parsing import ObjectInput

__all__ = ["register"]

_CHUNK_BYTES = 1 << 20


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "parse",
        parents=[common],
        help="parse files and print their records as JSON lines",
        description="Parse one or more files as a load would. Good records go to stdout, one JSON object a line, with "
        "the columns of the table (null ones left out); counts go to stderr. Exit code 1 if a file could not be read "
        "or was refused whole; refused records alone are no failure.",
    )
    parser.add_argument("--log-type", required=True, choices=[log_type.value for log_type in LogType])
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, an s3:// URL, or - for stdin")
    parser.add_argument("--rejects", type=Path, metavar="FILE", help="write refused records here, as JSON lines")
    parser.add_argument(
        "--limit", type=_count, metavar="N", help="stop after N records; a file is then not read to its end"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Parse the files in order."""
    from vpclogs.cli.records import Output, Report
    from vpclogs.parsing import ObjectEnd, parse

    if arguments.paths.count("-") > 1:
        raise UsageError("- (stdin) can be read once")
    if arguments.rejects is not None and str(arguments.rejects) in arguments.paths:
        raise UsageError(f"--rejects {arguments.rejects} would overwrite a file that is to be parsed")
    settings = _settings(arguments)
    with ExitStack() as stack:
        rejects = stack.enter_context(arguments.rejects.open("wb")) if arguments.rejects else None
        report = Report(arguments.paths, Output(RESULTS.buffer, rejects), arguments.limit)
        limits = settings.limits.parsing if settings else None
        for event in parse(LogType(arguments.log_type), _inputs(arguments, settings), limits=limits):
            if isinstance(event, ObjectEnd):
                report.end(event)
            else:
                report.add(event)
            if report.full:
                break
        return report.summary()


def _inputs(arguments: argparse.Namespace, settings: Settings | None) -> Iterator[ObjectInput]:
    from vpclogs.parsing.model import ObjectInput

    for ordinal, path in enumerate(arguments.paths):
        if path.startswith("s3://"):
            chunks = _s3_chunks(path, LogType(arguments.log_type), settings)
        else:
            chunks = _file_chunks(path)
        yield ObjectInput(ordinal, path, chunks)


def _file_chunks(path: str) -> Iterator[bytes]:
    from vpclogs.parsing.model import ObjectState, ObjectUnreadable

    try:
        with ExitStack() as stack:
            file: IO[bytes] = sys.stdin.buffer if path == "-" else stack.enter_context(Path(path).open("rb"))
            yield from iter(partial(file.read, _CHUNK_BYTES), b"")
    except OSError as error:
        raise ObjectUnreadable(ObjectState.FAILED, "read_failed", error.strerror or str(error)) from None


def _s3_chunks(url: str, log_type: LogType, settings: Settings | None) -> Iterator[bytes]:
    from vpclogs.config.sources import Source
    from vpclogs.parsing.model import ObjectState, ObjectUnreadable
    from vpclogs.s3.clients import client_for
    from vpclogs.s3.errors import S3RequestError
    from vpclogs.s3.prefetch import fetch

    bucket = url.removeprefix("s3://").partition("/")[0]
    sources = [s for s in settings.sources_for(log_type) if s.bucket == bucket] if settings else []
    source = sources[0] if sources else Source(name="command", log_type=log_type, bucket=bucket)
    client = client_for(source)
    try:
        item = _listed(url, source, client)
    except S3RequestError as error:
        detail = "there is no such object" if error.reason == "gone" else error.detail
        raise ObjectUnreadable(ObjectState.FAILED, error.reason, detail) from None
    for found in fetch(client, [item], requester_pays=source.requester_pays):
        yield from found.chunks


def _listed(url: str, source: Source, client: S3Client) -> LogObject:
    """Return the object as a listing would, without the fields that a listing takes from the key."""
    from vpclogs.objects import LogObject
    from vpclogs.s3.errors import patiently

    key = url.removeprefix("s3://").partition("/")[2]
    payer: dict[str, Any] = {"RequestPayer": "requester"} if source.requester_pays else {}
    head = patiently(partial(client.head_object, Bucket=source.bucket, Key=key, **payer), url, sleep=time.sleep)
    return LogObject(
        source=source.name,
        log_type=source.log_type,
        bucket=source.bucket,
        key=key,
        etag=head["ETag"].strip('"'),
        size=head["ContentLength"],
        last_modified=head["LastModified"],
        account="",
        region=None,
        day=head["LastModified"].date(),
        scope="",
    )


def _settings(arguments: argparse.Namespace) -> Settings | None:
    """The settings, for limits and credentials. A file can be parsed without any."""
    from vpclogs.config.settings import find_settings, load_settings
    from vpclogs.errors import ConfigError

    try:
        find_settings(arguments.config, os.environ)
    except ConfigError:
        return None
    return load_settings(arguments.config, os.environ)


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise ValueError
    return count
