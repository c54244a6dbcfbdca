"""The real command in a process of its own, in a folder with settings for a bucket of the real S3 server."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from demo.seaweed import READER
from tests.environment import shell

if TYPE_CHECKING:
    from demo.seaweed import Seaweed

COMMAND = Path(sys.executable).parent / "vpclogs"

SETTINGS = """
sources:
  - {{name: dns, log_type: vpc_dns, bucket: {bucket}, endpoint_url: "{endpoint}"}}
audit: {{max_quarantined_share: 1}}
"""


@dataclass(frozen=True)
class Deployment:
    """A folder with settings, and the environment of whoever runs the command in it."""

    folder: Path
    bucket: str
    env: dict[str, str]

    def vpclogs(self, *arguments: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        done = subprocess.run(
            [COMMAND, *arguments], cwd=self.folder, env=self.env | env, input=stdin, capture_output=True, timeout=120
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def configure(self, **changes: str) -> None:
        """Write the settings with other words in them."""
        path = self.folder / "vpclogs.yaml"
        text = path.read_text()
        for old, new in changes.items():
            text = text.replace(old, new)
        path.write_text(text)


def deploy(folder: Path, bucket: str, endpoint: str, **env: str) -> Deployment:
    (folder / "home").mkdir()
    (folder / "vpclogs.yaml").write_text(SETTINGS.format(bucket=bucket, endpoint=endpoint))
    return Deployment(folder, bucket, {**shell(folder / "home"), **env})


@pytest.fixture
def here(tmp_path: Path) -> Deployment:
    """A deployment without S3, for commands that need none."""
    return deploy(tmp_path, "nowhere", "http://127.0.0.1:9")


@pytest.fixture
def deployment(tmp_path: Path, bucket: str, seaweed: Seaweed) -> Deployment:
    """A deployment over an empty bucket, with a reader's credentials."""
    return deploy(tmp_path, bucket, seaweed.endpoint, **keys(seaweed))


def keys(seaweed: Seaweed) -> dict[str, str]:
    """A reader's credentials, as boto3 looks for them."""
    given: dict[str, Any] = seaweed.credentials(READER)
    return {"AWS_ACCESS_KEY_ID": given["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": given["aws_secret_access_key"]}
