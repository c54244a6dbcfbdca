"""Quarantine: a rising share of records, or a rising number of objects, that are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from vpclogs.audits.check import percent
from vpclogs.monitors.grid import HOUR
from vpclogs.monitors.monitor import Sighting, span
from vpclogs.monitors.places import Place, widest
from vpclogs.monitors.scene import Scene

__all__ = ["refused_objects", "refused_records"]

_PLACE = ["log_type", "source", "account", "region", "scope"]
_RECENT = (3, 48)  # hours: for a fault that has just begun, and for one that is rare
_FEWEST_RECORDS = 1000


@dataclass(frozen=True, slots=True)
class _Share:
    """Of ``records`` in the last ``hours``, ``refused`` were; ``usual`` is the share on a usual day."""

    refused: int
    records: int
    hours: int
    usual: float

    @property
    def value(self) -> float:
        return self.refused / self.records if self.records else 0.0


def refused_records(scene: Scene) -> Iterator[Sighting]:
    """Places where a larger share of the records is refused than before."""
    found: dict[Place, _Share] = {}
    judged: set[Place] = set()
    for length in range(2, len(_PLACE) + 1):
        usual = _usual_shares(_before(scene), _PLACE[:length])
        for hours in _RECENT:
            sums = _since(scene, hours).groupby(_PLACE[:length])[["rows", "refused"]].sum()
            for name, rows, refused in sums.itertuples(name=None):
                place = Place(*name)
                judged.add(place)
                share = _Share(int(refused), int(rows + refused), hours, usual.get(name, 0.0))
                if _rising(scene, place, share):
                    found.setdefault(place, share)
    for place, share in widest(found, judged).items():
        usually = f"usually it is {percent(share.usual)}" if share.usual else "usually it is none"
        yield Sighting(
            place,
            f"{place.label}: {percent(share.value)} of the records of the last {span(share.hours)} are refused, "
            f"{share.refused:,} of {share.records:,}; {usually}",
        )


def refused_objects(scene: Scene) -> Iterator[Sighting]:
    """Sources of which more objects are refused whole than before."""
    recent, before = _since(scene, max(_RECENT)), _before(scene)
    daily = before.groupby(["source", "day"])["refused_objects"].sum().groupby("source").median()
    for (log_type, source), frame in recent.groupby(["log_type", "source"]):
        limits = scene.limits(str(source))
        count, usual = int(frame["refused_objects"].sum()), 2 * float(daily.get(source, 0.0))
        if count >= limits.min_refused_objects and count > limits.quarantine_rise * usual:
            most = frame.groupby(["account", "region"])["refused_objects"].sum().nlargest(3)
            named = most[most > 0].reset_index().itertuples(index=False, name=None)
            where = ", ".join(f"{account} {region} ({n})" for account, region, n in named)
            yield Sighting(
                Place(str(log_type), str(source)),
                f"{log_type} of the source {source}: {count} objects of the last two days are refused whole: {where}; "
                f"usually it {f'is about {usual:.0f}' if usual >= 1 else 'is none'}",
            )


def _since(scene: Scene, hours: int) -> pd.DataFrame:
    return scene.hours[scene.hours["hour"] >= scene.now - hours * HOUR]


def _before(scene: Scene) -> pd.DataFrame:
    return scene.hours[scene.hours["hour"] < scene.now - max(_RECENT) * HOUR]


def _usual_shares(before: pd.DataFrame, columns: list[str]) -> Mapping[Any, float]:
    """The median of the days' shares, by place."""
    days = before.groupby([*columns, "day"])[["rows", "refused"]].sum()
    days = days[days["rows"] + days["refused"] > 0]
    shares = days["refused"] / (days["rows"] + days["refused"])
    return dict(shares.groupby(columns).median())


def _rising(scene: Scene, place: Place, share: _Share) -> bool:
    limits = scene.limits(place.source)
    return (
        share.records >= _FEWEST_RECORDS
        and share.refused >= limits.min_quarantined_records
        and share.value >= limits.min_quarantined_share
        and share.value > limits.quarantine_rise * share.usual
    )
