"""Stage a batch so that a partition whose files cannot be written fails alone."""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from vpclogs.objects import LogObject
from vpclogs.parsing.model import ObjectState
from vpclogs.partitions import Partition
from vpclogs.profile.statistics import merge
from vpclogs.staged import BatchResult, ObjectOutcome, StatisticsJson
from vpclogs.staging.halving import fail_apart

__all__ = ["stage_apart"]

# A key of S3 or a partition value can make a path that this file system refuses. Errors of the disk
# itself (full, quota, I/O) are left out: they concern every partition.
_ABOUT_A_PATH = {
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EACCES, errno.EPERM),
    # characters that the file system cannot store, and links that lead back
    *(errno.EILSEQ, errno.EINVAL, errno.ELOOP),
}


def stage_apart(objects: Sequence[LogObject], attempt: Callable[[Sequence[LogObject]], BatchResult]) -> BatchResult:
    """Return the result of `attempt` for all objects, or without those of partitions that cannot be written.

    If an error is about a path, halves of the batch are staged on their own until the partitions that cause it are
    found. Their objects fail, and the audit names them. Files of an attempt that failed are left for the clean-up.

    Raises:
        OSError: no partition can be written, or the error is not about a path, as when the disk is full.
    """
    done: list[BatchResult] = []

    def attempt_some(partitions: Sequence[Partition]) -> None:
        try:
            done.append(attempt(_of(objects, partitions)))
        except OSError as error:
            if _is_about_a_path(error):
                raise _PathError from error
            raise

    # Sorted, so that a retry of the task halves the same groups.
    failed = fail_apart(sorted({item.partition for item in objects}), attempt_some, _PathError)
    causes = {partition: error.__cause__ for partition, error in failed.items()}
    if not done:
        # Nothing could be written at all: the task fails and Airflow retries it, instead of blaming each object.
        raise next(cause for cause in causes.values() if cause is not None)
    return _joined(
        done, [outcome for one, cause in causes.items() for outcome in _failures(_of(objects, [one]), cause)]
    )


class _PathError(Exception):
    """Raised from an error that is about a path."""


def _is_about_a_path(error: OSError) -> bool:
    # Arrow reports errors of S3 in the text only
    return error.errno in _ABOUT_A_PATH or "AWS Error ACCESS_DENIED" in str(error)


def _of(objects: Sequence[LogObject], partitions: Collection[Partition]) -> list[LogObject]:
    wanted = frozenset(partitions)
    return [item for item in objects if item.partition in wanted]


def _failures(objects: Sequence[LogObject], error: BaseException | None) -> list[ObjectOutcome]:
    detail = f"a file of the partition cannot be written: {error}"
    state = ObjectState.FAILED.value
    return [
        ObjectOutcome(item.identity, item.partition.key, state, reason="write_failed", detail=detail)
        for item in objects
    ]


def _joined(results: Sequence[BatchResult], failures: Sequence[ObjectOutcome]) -> BatchResult:
    # the usual case, spared the merge of statistics
    if len(results) == 1 and not failures:
        return results[0]
    statistics: defaultdict[str, list[StatisticsJson]] = defaultdict(list)
    for result in results:
        for key, part in result.statistics.items():
            statistics[key].append(part)
    return BatchResult(
        files=[file for result in results for file in result.files],
        outcomes=[*(outcome for result in results for outcome in result.outcomes), *failures],
        statistics={key: merge(parts) for key, parts in statistics.items()},
        learned=[one for result in results for one in result.learned],
    )
