"""Run many commands in one process, and keep what each writes.

The process imports the libraries once, so a command takes tenths of a second; its output
goes through the same descriptors as that of the real command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Written:
    """What one command wrote."""

    arguments: list[str]
    code: int
    stdout: str
    stderr: str


def run_commands(outputs: Path, jobs: Sequence[tuple[Path, Sequence[str]]], env: Mapping[str, str]) -> list[Written]:
    """Run each command in its folder, one after the other; `outputs` takes the files they write to."""
    listed = []
    for folder, arguments in jobs:
        raw = [argument.encode(errors="surrogateescape").hex() for argument in arguments]
        listed.append({"folder": str(folder), "arguments": raw, "output": str(outputs / f"command-{len(listed)}")})
    subprocess.run([sys.executable, __file__], env=env, input=json.dumps(listed).encode(), check=True, timeout=250)
    return [_written(Path(job["output"]), list(arguments)) for job, (_, arguments) in zip(listed, jobs, strict=True)]


def _written(output: Path, arguments: list[str]) -> Written:
    stdout, stderr, code = (output.with_suffix(f".{name}").read_bytes().decode() for name in ("out", "err", "code"))
    return Written(arguments, int(code), stdout, stderr)


def _main() -> None:
    for one in json.load(sys.stdin):
        output = Path(one["output"])
        for descriptor, name in ((1, ".out"), (2, ".err")):
            file = os.open(output.with_suffix(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, descriptor)
            os.close(file)
        os.chdir(one["folder"])
        code = _run([os.fsdecode(bytes.fromhex(argument)) for argument in one["arguments"]])
        sys.stdout.flush()
        sys.stderr.flush()
        output.with_suffix(".code").write_text(str(code))


def _run(arguments: list[str]) -> int:
    from vpclogs.cli import main

    try:
        return main(arguments)
    except SystemExit as error:
        return int(error.code or 0)


if __name__ == "__main__":
    _main()
