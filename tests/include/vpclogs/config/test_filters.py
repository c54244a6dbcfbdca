"""Entries of filters that match nothing, and the names that they resemble."""

from __future__ import annotations

import pytest

from vpclogs.config.filters import SeenNames, known_regions, unmatched_entries
from vpclogs.config.sources import Source


def labels(seen: SeenNames, **filters: object) -> list[str]:
    source = Source.model_validate({"name": "logs", "log_type": "vpc_flow", "bucket": "bucket", **filters})
    return [one.label for one in unmatched_entries(source, seen)]


@pytest.mark.parametrize(
    ("entry", "label"),
    [
        ("us-esat-1", "regions: us-esat-1 (nearest: us-east-1)"),
        ("eu-cnetral-1", "regions: eu-cnetral-1 (nearest: eu-central-1)"),
        ("us-wst-2", "regions: us-wst-2 (nearest: us-west-2)"),
        ("ap-east-1", "regions: ap-east-1"),
        ("xy-moonbase-77", "regions: xy-moonbase-77"),
    ],
)
def test_the_nearest_region_is_named(entry: str, label: str) -> None:
    assert labels(SeenNames(frozenset(), frozenset({"us-west-2"})), regions=[entry, "us-west-2"]) == [label]


def test_denied_names_are_compared_too() -> None:
    seen = SeenNames(frozenset({"123456789012"}), frozenset({"us-west-2"}))

    found = labels(seen, accounts={"deny": ["123456789021"]}, regions={"deny": ["us-west-2"]})

    assert found == ["accounts: 123456789021 (nearest: 123456789012)"]


def test_accounts_that_could_not_be_listed_are_not_judged() -> None:
    assert labels(SeenNames(None, frozenset()), accounts=["123456789012"]) == []


def test_regions_of_every_cloud_are_known() -> None:
    assert {"us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1"} <= known_regions()
