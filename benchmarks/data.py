"""The files that all tools read: seeded, realistic, made once in ``var/bench``."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np

from demo.sample import dns_lines, flow_lines

__all__ = ["Data"]

_LEVEL = 6  # what AWS's objects look like


class Data:
    """Makes a file on first use. ``records`` is the size of a plain file."""

    def __init__(self, folder: Path, records: int) -> None:
        self._folder = folder
        self.records = records
        folder.mkdir(parents=True, exist_ok=True)

    def log(self, kind: str, *, dirty: bool = False) -> Path:
        """One object of ``records`` records; kind is dns, flow2, flow5 or flow11. Dirty: 0.1 % are broken."""
        name = f"{kind}-{self.records}-{'dirty' if dirty else 'clean'}.log.gz"
        return self._made(name, lambda: gzip.compress(self._text(kind, self.records, dirty), _LEVEL))

    def large(self, kind: str, megabytes: int) -> Path:
        """One object of about so many compressed megabytes: gzip members in a row, as the format allows."""
        member = self.log(kind)
        copies = max(1, round(megabytes * 1e6 / member.stat().st_size))
        return self._made(f"{kind}-{megabytes}mb.log.gz", lambda: self._joined(kind, member, copies))

    def small(self, kind: str, objects: int) -> list[Path]:
        """The records of `log`, cut into so many objects."""
        folder = self._folder / f"{kind}-{self.records}-in-{objects}"
        paths = [folder / f"{number:05}.log.gz" for number in range(objects)]
        if not paths[-1].exists():
            folder.mkdir(exist_ok=True)
            text = gzip.decompress(self.log(kind).read_bytes()).splitlines(keepends=True)
            header, lines = (text[:1], text[1:]) if kind != "dns" else ([], text)
            for path, part in zip(paths, np.array_split(np.arange(len(lines)), objects), strict=True):
                path.write_bytes(gzip.compress(b"".join(header + lines[part[0] : part[-1] + 1]), _LEVEL))
        return paths

    def _joined(self, kind: str, member: Path, copies: int) -> bytes:
        if kind == "dns":
            return member.read_bytes() * copies
        header, _, rest = gzip.decompress(member.read_bytes()).partition(b"\n")
        return gzip.compress(header + b"\n", _LEVEL) + gzip.compress(rest, _LEVEL) * copies

    def _text(self, kind: str, records: int, dirty: bool) -> bytes:
        rng, share = np.random.default_rng(20260115), 0.001 if dirty else 0.0
        if kind == "dns":
            return dns_lines(rng, records, dirty=share)
        return flow_lines(rng, records, version=int(kind.removeprefix("flow")), dirty=share)

    def _made(self, name: str, make: Callable[[], bytes]) -> Path:
        path = self._folder / name
        if not path.exists():
            partial = path.with_suffix(".part")
            partial.write_bytes(make())
            partial.rename(path)
        return path
