"""A partition: one log type, one account, one region, one day.

The day is the one in the object's path, not the event's, so a partition can be rebuilt by listing a prefix, and a
late record never moves between partitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Self

from vpclogs.errors import InvalidPartition
from vpclogs.identifiers import is_account, is_region

__all__ = ["UNKNOWN_REGION", "LogType", "Partition"]

UNKNOWN_REGION = "unknown"
"""The region of a VPC none of whose objects could be read yet. DNS keys carry no region."""


class LogType(StrEnum):
    """The two logs, by the name of their table."""

    VPC_DNS = "vpc_dns"
    VPC_FLOW = "vpc_flow"


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One account, region and day of one log type."""

    log_type: LogType
    account: str
    region: str
    day: date

    def __post_init__(self) -> None:
        if not is_account(self.account):
            raise InvalidPartition(f"account {self.account!r} is not 12 digits")
        if self.region != UNKNOWN_REGION and not is_region(self.region):
            raise InvalidPartition(f"region {self.region!r} does not look like us-west-2")

    @property
    def key(self) -> str:
        """The key used by Airflow, the ledger and the command: ``account|region|day``."""
        return f"{self.account}|{self.region}|{self.day.isoformat()}"

    @property
    def label(self) -> str:
        """The key in words: ``123456789012 us-west-2 2022-10-07``."""
        return self.key.replace("|", " ")

    @classmethod
    def parse(cls, key: str, log_type: LogType | str) -> Self:
        """Parse ``account|region|day``.

        Raises:
            InvalidPartition: the key does not have that form.
        """
        parts = key.strip().split("|")
        if len(parts) != 3:
            raise InvalidPartition(
                f"partition key {key!r} is not account|region|day, such as 123456789012|us-west-2|2022-10-07"
            )
        try:
            day = date.fromisoformat(parts[2])
        except ValueError:
            raise InvalidPartition(f"partition key {key!r}: {parts[2]!r} is not a day like 2022-10-07") from None
        return cls(LogType(log_type), parts[0], parts[1], day)
