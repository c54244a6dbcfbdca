"""The grammar of AWS names: accounts, organizations, regions, VPCs and flow logs.

Keys, records and settings come from outside. Each name in them is checked here, once, where it
enters. The bounds fit the columns of the ledger and a file's name, so that a name that passed is
safe to store.
"""

from __future__ import annotations

import re

__all__ = [
    "ACCOUNT",
    "FLOW_LOG",
    "ORGANIZATION",
    "REGION",
    "VPC",
    "is_account",
    "is_organization",
    "is_region",
    "is_vpc",
]

ACCOUNT = r"[0-9]{12}"
"""Pattern of an account id. This and the others have no groups, so they can be parts of a longer pattern."""

REGION = r"(?![a-z0-9-]{41})[a-z][a-z0-9]+(?:-[a-z][a-z0-9]*)+-[0-9]+"
"""Pattern of a region's name, 40 characters at most.

A pattern, not a list: AWS opens regions and partitions, for example ``eusc-de-east-1``, faster than users upgrade.
"""

VPC = r"vpc-[0-9a-f]{1,64}"
"""Pattern of a VPC id. AWS uses 8 or 17 digits today."""

FLOW_LOG = r"fl-[0-9a-f]{1,64}"
"""Pattern of a flow log's id."""

ORGANIZATION = r"o-[a-z0-9]{10,32}"
"""Pattern of an organization's id, from the AWS Organizations API reference."""

_ACCOUNT, _REGION, _VPC, _ORGANIZATION = map(re.compile, (ACCOUNT, REGION, VPC, ORGANIZATION))


def is_account(text: str) -> bool:
    """Return True if `text` is an account id."""
    return _ACCOUNT.fullmatch(text) is not None


def is_region(text: str) -> bool:
    """Return True if `text` can be the name of a region in any AWS partition, known or new."""
    return _REGION.fullmatch(text) is not None


def is_vpc(text: str) -> bool:
    """Return True if `text` is a VPC id."""
    return _VPC.fullmatch(text) is not None


def is_organization(text: str) -> bool:
    """Return True if `text` is an organization's id."""
    return _ORGANIZATION.fullmatch(text) is not None
