"""The environment that every test runs in, however the shell is set up. Imported before anything else.

Importing this module removes every variable that is not listed here, so that `make test` gives the
same result after ``. var/demo/env``, with AWS credentials in the shell, or with ``NO_COLOR`` set.
"""

from __future__ import annotations

import atexit
import importlib.resources
import os
import shutil
import tempfile
import time
from pathlib import Path

__all__ = ["FOLDER", "ZONE", "shell"]

# How programs are found, where temporary files go, pytest's own settings, and how to reach a package index.
_KEPT = {"PATH", "LD_LIBRARY_PATH", "TMPDIR", "USER", "LOGNAME", "TERM", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}
_KEPT_PREFIXES = ("PYTEST_", "PIP_", "UV_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")

# The whole suite runs in a zone whose date differs from UTC's for more than half of each day and whose
# offset is no full hour, so that code which takes local time for UTC fails on every machine.
ZONE = "Pacific/Chatham"

FOLDER = Path(tempfile.mkdtemp(prefix="vpclogs-tests-"))
"""A folder for this process, removed at its end. The home folder is in it, so no profile or cache is read."""


def _remove(owner: int) -> None:
    if os.getpid() == owner:  # a forked child that ends in order runs this too
        shutil.rmtree(FOLDER, ignore_errors=True)


atexit.register(_remove, os.getpid())


def shell(home: Path) -> dict[str, str]:
    """Return the environment of a user who has set nothing, for a command in a process of its own."""
    zone = {name: os.environ[name] for name in ("TZ", "TZDIR") if name in os.environ}
    return {"PATH": os.environ["PATH"], "HOME": str(home), **zone}


def _apply() -> None:
    for name in list(os.environ):
        if name not in _KEPT and not name.startswith(_KEPT_PREFIXES):
            del os.environ[name]
    (FOLDER / "home").mkdir()
    os.environ |= {
        "HOME": str(FOLDER / "home"),
        "LC_ALL": "C.UTF-8",
        "TZ": ZONE,
        "AWS_EC2_METADATA_DISABLED": "true",  # without credentials boto3 would wait for an instance's metadata
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
    if not Path("/usr/share/zoneinfo", ZONE).exists():
        os.environ["TZDIR"] = str(importlib.resources.files("tzdata") / "zoneinfo")
    os.umask(0o022)
    time.tzset()
    assert time.localtime(0).tm_gmtoff == 45_900, f"the C library does not know the time zone {ZONE}"


_apply()
