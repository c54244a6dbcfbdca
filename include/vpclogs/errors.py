"""Errors raised by the library on purpose.

* VpcLogsError
  - ConfigError            the configuration file is wrong; names file, line and key
  - InvalidPartition       a partition key does not name an account, a region and a day
  - LedgerMismatch         ledger and tables disagree in a way that only a rebuild mends
  - S3Denied               credentials or policy refuse; a retry cannot help
  - S3Unavailable          throttled, timed out or reset; a retry may help (transient)
  - CatalogUnavailable     the Iceberg catalog is down or in trouble; a retry may help (transient)
  - PublishConflict        too many publishers at once; a retry may help (transient)
  - PartitionsFailed       the run is over and these partitions were not published
  - AlertsOpen             monitors have found what somebody must look at now
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
    "VpcLogsError",
]


class VpcLogsError(Exception):
    """Base of every error raised on purpose. ``transient`` is true if a retry may help.

    Each argument is one line of the message. A line break within one is escaped, as is
    whatever else does not print, so the message can go to a terminal or a log as it is.
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
    """Raised when the configuration cannot be used; the message names the line and the key."""


class InvalidPartition(VpcLogsError, ValueError):
    """Raised when a partition key cannot be read back into a partition."""


class LedgerMismatch(VpcLogsError):
    """Raised when the tables hold a publish that the ledger does not know."""


class S3Denied(VpcLogsError):
    """Raised when S3 or STS refuses the credentials. Fix the policy, then rerun."""


class S3Unavailable(VpcLogsError):
    """Raised when S3 throttles, times out or breaks the connection after all retries."""

    transient = True


class CatalogUnavailable(VpcLogsError):
    """Raised when the Iceberg catalog cannot be reached, or keeps answering that it has failed."""

    transient = True


class PublishConflict(VpcLogsError):
    """Raised when the commit kept conflicting with other publishers."""

    transient = True


class PartitionsFailed(VpcLogsError):
    """Raised at the end of a run to name the partitions that were not published, and the sources not listed."""

    def __init__(self, failed: Sequence[tuple[str, str]]) -> None:
        super().__init__(f"not published ({len(failed)}):", *(f"  {key}: {why}" for key, why in failed))
        self.failed = tuple(failed)


class AlertsOpen(VpcLogsError):
    """Raised at the end of a run of monitors to name the errors that are open and new."""

    def __init__(self, alerts: Sequence[tuple[str, str]]) -> None:
        lines = (f"  {key}: {message}" for key, message in alerts)
        super().__init__(f"to look at now ({len(alerts)}), see docs/quality.md:", *lines)
