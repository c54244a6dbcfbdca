"""Nothing imports upward."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_no_package_imports_one_above_it(repository):
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]

    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout
