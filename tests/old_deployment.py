"""The deployment that an earlier version left, unpacked onto the test's S3 server."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from demo.seaweed import Seaweed
from tests.fixtures.deployment_a3d8d14.make import LAKE, LOGS, settings
from vpclogs.config.settings import Settings
from vpclogs.pipeline import Pipeline

__all__ = ["EVENING", "unpack"]

EVENING = datetime(2022, 10, 7, 23, tzinfo=UTC)
_ARCHIVE = Path(__file__).parent / "fixtures/deployment_a3d8d14/deployment.tar.gz"


def unpack(folder: Path, server: Seaweed) -> Callable[..., Pipeline]:
    """Put the deployment's objects on the server and its databases into ``folder``.

    Return a function that makes a pipeline over it, whose clock stands at its argument or in the
    evening of the deployment's one day. The names of the buckets are part of the tables'
    metadata, so there is one such deployment on a server at a time.
    """
    s3 = server.client()
    present = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for bucket in (LOGS, LAKE):
        if bucket not in present:
            s3.create_bucket(Bucket=bucket)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", []):
                s3.delete_object(Bucket=bucket, Key=entry["Key"])
    with tarfile.open(_ARCHIVE) as tar:
        for entry in tar:
            body = tar.extractfile(entry)
            assert body is not None
            kind, _, rest = entry.name.partition("/")
            if kind == "s3":
                bucket, _, key = rest.partition("/")
                s3.put_object(Bucket=bucket, Key=key, Body=body.read())
            else:
                (folder / entry.name).write_bytes(body.read())
    document = Settings.model_validate(settings(folder, server.file_properties()))
    return lambda now=EVENING: Pipeline(document, client_for=lambda source: s3, clock=lambda: now)
