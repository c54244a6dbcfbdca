"""Delete files that no snapshot refers to and no run can still publish.

They come from stages that ran twice, runs that never published, compactions that were
given up, expired snapshots, and commits that lost a race. The order is what makes it
safe: old runs lose the right to publish, then the files of all other runs are read
from the ledger, then the tables are loaded, then the folders are listed. So a file
that is published meanwhile is in the one or the other, and one that is made meanwhile
is younger than the grace.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pyarrow.fs import FileSelector, FileSystem, FileType
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table

from vpclogs.errors import VpcLogsError
from vpclogs.quantities import many, size_text

if TYPE_CHECKING:
    from vpclogs.pipeline import Pipeline

__all__ = ["Cleaned", "clean_up"]

_THREADS = 8
_ENDINGS = {"data": (".parquet",), "metadata": (".avro", ".metadata.json")}
"""By folder, the suffixes of files that vpclogs writes. Other files belong to somebody else."""


@dataclass
class Cleaned:
    """The deleted files, or in a dry run the files to delete."""

    runs: int = 0
    files: int = 0
    bytes: int = 0

    def lines(self, *, dry_run: bool) -> list[str]:
        """Return the result in words."""
        would = "would be " if dry_run else ""
        return [f"{many(self.files, 'file')}, {size_text(self.bytes)}, {would}deleted"]


def clean_up(pipeline: Pipeline, *, dry_run: bool = False) -> Cleaned:
    """Delete the unused files of all tables. A dry run only counts them."""
    maintenance, now = pipeline.settings.maintenance, pipeline.clock()
    done = Cleaned()
    if not dry_run:
        done.runs = pipeline.ledger.pruning.give_up_staged(now - timedelta(days=maintenance.keep_staged_days), now=now)
    # Before the tables are loaded: a file that is committed in between is in the tables then.
    needed = {_bare(path) for path in pipeline.ledger.pruning.files_in_flight()}
    tables = [pipeline.warehouse.table(name) for name in pipeline.warehouse.names()]
    for table in tables:
        _clean_table(table, needed, now - timedelta(hours=maintenance.orphan_hours), done, dry_run=dry_run)
    return done


def _clean_table(table: Table, needed: set[str], before: datetime, done: Cleaned, *, dry_run: bool) -> None:
    used = needed | {_bare(path) for path in _referred(table)}
    scheme, netloc, folder = PyArrowFileIO.parse_location(table.location(), table.io.properties)
    files = PyArrowFileIO(table.io.properties).fs_by_scheme(scheme, netloc)
    found = list(_listed(files, folder))
    # The one file that must exist: without it, the listing is of another place or incomplete.
    if _bare(table.metadata_location) not in {_bare(path) for path, _, _ in found}:
        raise VpcLogsError(
            f"{'.'.join(table.name())}: its own metadata file {table.metadata_location} is not among the files listed "
            f"in {table.location()}, so the listing cannot be trusted and nothing was deleted."
        )
    orphans = [(path, size) for path, size, made in found if made < before and _bare(path) not in used]
    if not dry_run:
        with ThreadPoolExecutor(_THREADS, "clean") as pool:
            list(pool.map(lambda orphan: _delete(files, orphan[0]), orphans))
    done.files += len(orphans)
    done.bytes += sum(size for _, size in orphans)


def _referred(table: Table) -> Iterator[str]:
    """Yield every file that the metadata, or any snapshot in it, refers to."""
    metadata = table.metadata
    yield table.metadata_location
    yield from (entry.metadata_file for entry in metadata.metadata_log)
    yield from (file.statistics_path for file in (*metadata.statistics, *metadata.partition_statistics))
    seen: set[str] = set()
    for snapshot in metadata.snapshots:
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in seen:
                seen.add(manifest.manifest_path)
                yield manifest.manifest_path
                for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                    yield entry.data_file.file_path


def _listed(files: FileSystem, folder: str) -> Iterator[tuple[str, int, datetime]]:
    """Yield path, bytes and time (aware UTC) of the files that vpclogs may have written."""
    for name, endings in _ENDINGS.items():
        selector = FileSelector(f"{folder.rstrip('/')}/{name}", recursive=True, allow_not_found=True)
        for info in files.get_file_info(selector):
            if info.type == FileType.File and info.path.endswith(endings):
                yield info.path, info.size, info.mtime


def _delete(files: FileSystem, path: str) -> None:
    with suppress(FileNotFoundError):  # a concurrent clean-up was faster
        files.delete_file(path)


def _bare(path: str) -> str:
    """Return a path without its scheme: the same for ``s3://``, ``s3a://`` and as listed."""
    return path.partition("://")[2].lstrip("/") if "://" in path else path.removeprefix("file:").lstrip("/")
