"""The origin of a log: a source, an account in it, a region, a VPC or flow log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeVar

__all__ = ["Entity", "widest"]

T = TypeVar("T")

_NOUNS = {"vpc": "VPC", "fl": "flow log"}


class Entity(NamedTuple):
    """A VPC (of DNS logs) or a flow log; without the last parts a region, an account, or a whole source."""

    log_type: str
    source: str
    account: str | None = None
    region: str | None = None
    scope: str | None = None

    @property
    def key(self) -> str:
        """The place within the key of an alert. The log type is left out, because a source has only one."""
        return "/".join(part for part in self[1:] if part is not None)

    @property
    def parent(self) -> Entity | None:
        """The next wider place."""
        if self.account is None:
            return None
        if self.region is None:
            return Entity(self.log_type, self.source)
        return Entity(self.log_type, self.source, self.account, None if self.scope is None else self.region)

    @property
    def label(self) -> str:
        """A readable name: ``vpc_dns of VPC vpc-1a2b (123456789012 us-west-2)``."""
        if self.account is None:
            return f"{self.log_type} of the whole source {self.source}"
        if self.scope is not None:
            noun = _NOUNS.get(self.scope.partition("-")[0], "folder")
            return f"{self.log_type} of {noun} {self.scope} ({self.account} {self.region})"
        return f"{self.log_type} of account {self.account}" + (f" in {self.region}" if self.region else "")


def widest(found: Mapping[Entity, T], judged: Collection[Entity]) -> dict[Entity, T]:
    """Return one finding per cause: an account instead of all its VPCs, a VPC instead of its account.

    A place replaces the places in it if there are several and all are found, or if none of them is found by itself.
    """
    inside: defaultdict[Entity, list[Entity]] = defaultdict(list)
    for entity in judged:
        if entity.parent is not None:
            inside[entity.parent].append(entity)
    told: dict[Entity, T] = {}

    def descend(entity: Entity) -> None:
        parts = inside[entity]
        hit = sum(part in found for part in parts)
        # With a single part, the part is the better name: it says which VPC.
        if entity in found and (hit == 0 or (hit == len(parts) and hit > 1)):
            told[entity] = found[entity]
            return
        for part in parts:
            descend(part)

    for entity in judged:
        if entity.parent is None:
            descend(entity)
    return told
