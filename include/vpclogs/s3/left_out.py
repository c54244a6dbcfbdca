"""VPCs and regions that a source's list of regions leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vpclogs.partitions import UNKNOWN_REGION, LogType

if TYPE_CHECKING:
    from vpclogs.config.sources import Source

__all__ = ["LeftOut", "left_out_scopes"]


@dataclass(frozen=True, slots=True, order=True)
class LeftOut:
    """A VPC (or, for flow logs, a region: no ``scope``) that the source's list of regions leaves out."""

    source: str
    account: str
    region: str
    scope: str

    @property
    def label(self) -> str:
        """The place, for people."""
        return " ".join(filter(None, [self.account, self.region, self.scope]))


def left_out_scopes(source: Source, known_scopes: Mapping[tuple[str, str], str]) -> list[LeftOut]:
    """Return the known VPCs of a DNS source's accounts that its list of regions leaves out, sorted."""
    if source.log_type is not LogType.VPC_DNS:
        return []
    return sorted(
        LeftOut(source.name, account, region, scope)
        for (account, scope), region in known_scopes.items()
        if region != UNKNOWN_REGION and source.covers_account(account) and not source.covers_region(region)
    )
