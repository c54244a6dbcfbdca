"""Run many commands in one process, and keep what each writes.

Used as a script: JSON on stdin is a list of argument lists, each with the files that take
its stdout and stderr. The process imports the libraries once, so a command takes tenths of
a second; its output goes through the same descriptors as that of the real command.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    for one in json.load(sys.stdin):
        for descriptor, path in ((1, one["stdout"]), (2, one["stderr"])):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, descriptor)
            os.close(file)
        from vpclogs.cli import main as vpclogs

        try:
            code = vpclogs([os.fsdecode(bytes.fromhex(argument)) for argument in one["arguments"]])
        except SystemExit as error:
            code = error.code
        sys.stdout.flush()
        sys.stderr.flush()
        Path(one["stdout"] + ".code").write_text(str(code))


if __name__ == "__main__":
    main()
