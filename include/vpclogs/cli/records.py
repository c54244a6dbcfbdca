"""Parsed records as JSON lines, and their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO, Any

from msgspec.json import Encoder

from vpclogs.cli.terminal import report, report_failure
from vpclogs.foreign_text import shown_json
from vpclogs.parsing import ObjectEnd, ObjectState, Parsed, Refused
from vpclogs.quantities import size_text
from vpclogs.reasons import REASONS

__all__ = ["Output", "Report"]

_CHUNK_BYTES = 1 << 20
_ROWS_AT_A_TIME = 10_000
_encoder = Encoder()  # writes times as RFC 3339 with Z
_DELETE = b"\x7f"


@dataclass
class Output:
    """The files of rows and refused records, with counts. Refused records may have no file."""

    rows_to: IO[bytes]
    rejects_to: IO[bytes] | None
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, parsed: Parsed, paths: Sequence[str], limit: int | None) -> None:
        """Write at most ``limit`` rows (None: all) and every refused record."""
        for line in _json_rows(parsed, paths, limit):
            self.rows_to.write(line)
            self.rows += 1
        for record in parsed.refused:
            self.reasons[record.reason] += 1
            self.reject(paths[record.object], record)

    def reject(self, path: str, record: Refused | ObjectEnd) -> None:
        """Write one refused record, or an object that was refused whole."""
        if self.rejects_to is None:
            return
        values: dict[str, object] = {"object": path, "line": None, "reason": record.reason, "field": None, "raw": None}
        if isinstance(record, Refused):
            raw = record.raw.decode("utf-8", "backslashreplace")
            values |= {"line": record.line, "field": record.field, "raw": raw}
        self.rejects_to.write(_encode(values | {"detail": record.detail}) + b"\n")

    def take(self, other: Output) -> None:
        """Append the content of another output."""
        for source, target in ((other.rows_to, self.rows_to), (other.rejects_to, self.rejects_to)):
            if source is not None and target is not None:
                source.seek(0)
                while chunk := source.read(_CHUNK_BYTES):
                    target.write(chunk)
        self.rows += other.rows
        self.reasons += other.reasons

    def close(self) -> None:
        """Close the files, deleting temporary ones."""
        for file in (self.rows_to, self.rejects_to):
            if file is not None:
                file.close()


class Report:
    """Receives the events of a parse. Rows of a file that may still be refused wait in a temporary file."""

    def __init__(self, paths: Sequence[str], output: Output, limit: int | None) -> None:
        # a file name that is not UTF-8 has unpaired surrogates, which JSON text cannot hold
        self._paths = [path.encode(errors="backslashreplace").decode() for path in paths]
        self._output = output
        self._limit = limit
        self._held: Output | None = None
        self._states: Counter[ObjectState] = Counter()
        self._raw_bytes = 0

    @property
    def full(self) -> bool:
        """True once the wanted number of rows is written."""
        return self._limit is not None and self._output.rows >= self._limit

    def add(self, parsed: Parsed) -> None:
        """Write rows and refused records, or keep them until their file is known to be good."""
        if self._limit is not None:
            # With --limit, N records are wanted now, not at the end of a large file.
            self._output.add(parsed, self._paths, self._limit - self._output.rows)
        elif parsed.provisional:
            if self._held is None:
                self._held = Output(_spool(), _spool() if self._output.rejects_to else None)
            self._held.add(parsed, self._paths, None)
        else:
            self._output.add(parsed, self._paths, None)

    def end(self, end: ObjectEnd) -> None:
        """Write or drop the waiting records, and name a file that did not load."""
        if self._held is not None:
            if end.state is ObjectState.LOADED:
                self._output.take(self._held)
            self._held.close()
            self._held = None
        self._states[end.state] += 1
        self._raw_bytes += end.raw_bytes
        path = self._paths[end.object]
        match end.state:
            case ObjectState.LOADED:
                pass
            case ObjectState.EMPTY:
                report(f"{path}: {end.detail or end.reason}")
            case ObjectState.REFUSED:
                report_failure(f"{path}: refused whole, {end.reason}: {end.detail}. {_action(end.reason)}")
                self._output.reject(path, end)
            case _:
                report_failure(f"{path}: not read, {end.detail}")

    def summary(self) -> int:
        """Print the counts and return the exit code."""
        output = self._output
        refused = output.reasons.total()
        files = ", ".join(f"{count} {state}" for state, count in self._states.items()) or "none to its end"
        if self.full:
            report(f"stopped after {output.rows} good records (--limit)")
        report(f"files: {files}; {size_text(self._raw_bytes)} decompressed")
        report(f"records: {output.rows + refused} = {output.rows} good + {refused} refused")
        for reason, count in output.reasons.most_common():
            report(f"  {count} {reason}: {REASONS[reason].meaning if reason in REASONS else ''}")
        if refused and output.rejects_to is None:
            report("--rejects FILE writes each refused record and what is wrong in it")
        return 0 if self._states.keys() <= {ObjectState.LOADED, ObjectState.EMPTY} else 1


def _json_rows(parsed: Parsed, paths: Sequence[str], limit: int | None) -> Iterator[bytes]:
    """Yield at most ``limit`` rows as JSON lines, with the path and line of each."""
    origins = zip(parsed.objects.tolist(), parsed.lines.tolist(), strict=True)
    for batch in parsed.rows.slice(0, limit).to_batches(max_chunksize=_ROWS_AT_A_TIME):
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            ordinal, line = next(origins)
            row |= {"p_source_key": paths[ordinal], "p_source_line": line}
            yield _encode({name: _given(value) for name, value in row.items() if value is not None}) + b"\n"


def _encode(value: Any) -> bytes:
    """Return a value as JSON, in which every character prints."""
    text: bytes = _encoder.encode(value)
    return text if text.isascii() and _DELETE not in text else shown_json(text.decode()).encode()


def _given(value: Any) -> Any:
    """Return a struct without its null members, any other value unchanged."""
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


def _spool() -> IO[bytes]:
    return TemporaryFile()


def _action(reason: str | None) -> str:
    return REASONS[reason].action if reason and reason in REASONS else ""
