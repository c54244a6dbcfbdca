"""Errors raised by the library on purpose.

* VpcLogsError
    - ConfigError          the settings file is wrong; names file, line and key
    - InvalidPartition     a partition key does not name an account, a region and a day
    - LedgerMismatch       ledger and tables disagree, and only a rebuild can repair it
    - TableChanged         another engine changed a table so that new rows do not fit it
    - S3Denied             credentials or policy refuse; a retry cannot help
    - S3Unavailable        throttled, timed out or reset; a retry may help (transient)
    - CatalogUnavailable   the Iceberg catalog is down or failing; a retry may help (transient)
    - PublishConflict      too many concurrent publishers; a retry may help (transient)
    - PartitionsFailed     the run ended without publishing these partitions
    - AlertsOpen           monitors found errors that need attention now
"""

from __future__ import annotations

from collections.abc import Sequence

from vpclogs.foreign_text import shown

__all__ = [
    "AlertsOpen",
    "CatalogUnavailable",
    "ConfigError",
    "InvalidPartition",
    "LedgerMismatch",
    "PartitionsFailed",
    "PublishConflict",
    "S3Denied",
    "S3Unavailable",
    "TableChanged",
    "VpcLogsError",
]


class VpcLogsError(Exception):
    """Base of every error raised on purpose. ``transient`` is true if a retry may help.

    Each argument is one line of the message. Line breaks and other unprintable characters within a line are escaped,
    so the message is safe for a terminal or a log.
    """

    transient = False

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the message, escaped."""
        return tuple(map(shown, self.args))

    def __str__(self) -> str:
        return "\n".join(self.lines)


class ConfigError(VpcLogsError):
    """Raised when the settings cannot be used; the message names the line and the key."""


class InvalidPartition(VpcLogsError, ValueError):
    """Raised when a partition key cannot be parsed."""


class LedgerMismatch(VpcLogsError):
    """Raised when the tables hold a publish that the ledger does not have."""


class TableChanged(VpcLogsError):
    """Raised when another engine changed the columns of a table so that new rows do not fit it."""


class S3Denied(VpcLogsError):
    """Raised when S3 or STS refuses the credentials. Fix the policy, then rerun."""


class S3Unavailable(VpcLogsError):
    """Raised when S3 throttles, times out or breaks the connection after all retries."""

    transient = True


class CatalogUnavailable(VpcLogsError):
    """Raised when the Iceberg catalog cannot be reached or keeps failing."""

    transient = True


class PublishConflict(VpcLogsError):
    """Raised when the commit kept conflicting with other publishers."""

    transient = True


class PartitionsFailed(VpcLogsError):
    """Raised at the end of a run, naming the partitions that were not published and the sources not listed."""

    def __init__(self, failed: Sequence[tuple[str, str]]) -> None:
        super().__init__(f"not published ({len(failed)}):", *(f"  {key}: {why}" for key, why in failed))
        self.failed = tuple(failed)


class AlertsOpen(VpcLogsError):
    """Raised at the end of a monitors run, naming the open errors."""

    def __init__(self, alerts: Sequence[tuple[str, str]]) -> None:
        lines = (f"  {key}: {message}" for key, message in alerts)
        super().__init__(f"to look at now ({len(alerts)}), see docs/quality.md:", *lines)
