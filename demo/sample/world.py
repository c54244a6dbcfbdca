"""The invented network that the sample logs describe: accounts, VPCs, hosts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

__all__ = ["Flow", "Host", "Vpc", "World", "build_offices", "build_world", "default_world", "hex_digits", "power_law"]

ORGANIZATION = "o-a1b2c3d4e5"


@dataclass(frozen=True, slots=True)
class Host:
    """One client. ``instance`` is None for clients other than EC2 instances (a Lambda, a NAT gateway)."""

    address: str
    instance: str | None
    interface: str
    subnet: str
    endpoint: str | None = None  # the resolver endpoint its queries pass through
    endpoint_key: str = "resolver_endpoint"


@dataclass(frozen=True, slots=True)
class Flow:
    """How one VPC's flow log is delivered.

    ``layout`` is default, hourly, hive or hive_hourly; ``version`` the format (2, 3, 5, 7 or 11).
    """

    flow_log: str
    layout: str
    version: int
    parquet: bool = False
    organization: str | None = None


@dataclass(frozen=True, slots=True)
class Vpc:
    """One VPC: who owns it, where it is, who is in it, how busy it is."""

    vpc_id: str
    account: str
    region: str
    weight: float
    objects_per_day: int
    hosts: tuple[Host, ...]
    flow: Flow


@dataclass(frozen=True, slots=True)
class World:
    """All VPCs. ``seed`` decides every id and address in it."""

    seed: int
    vpcs: tuple[Vpc, ...]


# account, region, second octet, hosts, share of the records, objects a day,
# flow-log layout, format version, Parquet, under an organization's folder
_VPCS = (
    ("123456789012", "us-west-2", 0, 180, 0.34, 36, "default", 2, False, None),
    ("123456789012", "us-east-1", 16, 90, 0.22, 30, "hourly", 5, False, None),
    ("210987654321", "us-west-2", 32, 60, 0.16, 24, "hive", 3, False, None),
    ("210987654321", "eu-central-1", 48, 50, 0.12, 24, "hive_hourly", 11, False, None),
    ("210987654321", "eu-central-1", 64, 30, 0.07, 12, "default", 5, True, None),
    ("012345678910", "ap-southeast-2", 80, 24, 0.06, 12, "hive_hourly", 7, True, None),
    ("012345678910", "us-east-1", 96, 12, 0.03, 8, "default", 7, False, ORGANIZATION),
)


# The offices' flow logs are not delivered; their description is never used.
_OFFICES = (
    ("111122223333", "eu-west-1", 112, 12, 0.0, 3, "default", 2, False, None),
    ("111122223333", "eu-west-1", 128, 12, 0.0, 8, "default", 2, False, None),
    ("111122223333", "eu-west-1", 144, 12, 0.0, 1, "default", 2, False, None),
    ("444455556666", "eu-west-1", 160, 12, 0.0, 1, "default", 2, False, None),
)


def build_world(seed: int) -> World:
    """The network for ``seed``: three accounts, four regions, seven VPCs, some 450 hosts."""
    rng = np.random.default_rng([seed, 1])
    return World(seed, tuple(_vpc(rng, *row) for row in _VPCS))


def build_offices(seed: int) -> tuple[Vpc, ...]:
    """The VPCs of four small offices for ``seed``: three of one account, one of another."""
    rng = np.random.default_rng([seed, 6])
    return tuple(_vpc(rng, *row) for row in _OFFICES)


@cache
def default_world() -> World:
    """The network of the demo's own seed, built once."""
    return build_world(7)


def _vpc(
    rng: np.random.Generator,
    account: str,
    region: str,
    octet: int,
    hosts: int,
    weight: float,
    objects_per_day: int,
    layout: str,
    version: int,
    parquet: bool,
    organization: str | None,
) -> Vpc:
    flow = Flow(f"fl-{hex_digits(rng, 17)}", layout, version, parquet, organization)
    subnets = [f"subnet-{hex_digits(rng, 17)}" for _ in range(3)]
    endpoint = f"rslvr-in-{hex_digits(rng, 17)}"
    people = tuple(_host(rng, octet, number, subnets, endpoint) for number in range(hosts))
    return Vpc(f"vpc-{hex_digits(rng, 17)}", account, region, weight, objects_per_day, people, flow)


def _host(rng: np.random.Generator, octet: int, number: int, subnets: list[str], endpoint: str) -> Host:
    zone = number % len(subnets)
    # Every eighth client is no instance; every eleventh asks through a resolver endpoint.
    return Host(
        address=f"10.{octet + zone}.{number // 200}.{10 + number % 200}",
        instance=None if number % 8 == 5 else f"i-{hex_digits(rng, 17)}",
        interface=f"eni-{hex_digits(rng, 17)}",
        subnet=subnets[zone],
        endpoint=endpoint if number % 11 == 7 else None,
        endpoint_key="resolver-endpoint" if number % 22 == 7 else "resolver_endpoint",
    )


def hex_digits(rng: np.random.Generator, count: int) -> str:
    """``count`` lower-case hexadecimal digits."""
    return "".join("0123456789abcdef"[digit] for digit in rng.integers(0, 16, count))


def power_law(size: int, exponent: float = 1.1) -> np.ndarray:
    """Return cumulative probabilities of ``size`` items, a few of which make up most, for ``np.searchsorted``."""
    weights = np.arange(1, size + 1, dtype=np.float64) ** -exponent
    cumulative: np.ndarray = np.cumsum(weights / weights.sum())
    return cumulative
