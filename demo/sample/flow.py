"""VPC flow logs: space-separated text with a header, or Parquet, of every format version."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from demo.sample.faults import Fault, flow_faults, spoil
from demo.sample.flow_formats import (
    CONTAINER_FIELDS,
    KEPT_WITHOUT_DATA,
    LATEST_FIELDS,
    SUBLOCATION_FIELDS,
    flow_fields,
    parquet_type,
)
from demo.sample.world import Vpc, default_world, power_law

__all__ = [
    "Columns",
    "PARQUET_FAULTS",
    "flow_columns",
    "flow_lines",
    "flow_parquet",
    "flow_records",
    "spoil_rows",
    "vary",
]

Columns = dict[str, list[str]]
"""One list of texts per header name, all of the same length; ``-`` is null."""

_NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)

# Column, the text put there, and the verdict that its row must get.
PARQUET_FAULTS: tuple[tuple[str, str, Fault], ...] = (
    ("start", "-", Fault("no start", "missing_field", bytes)),
    ("log-status", "-", Fault("no status", "missing_field", bytes)),
    ("dstport", "70000", Fault("port 70000", "bad_port", bytes)),
    ("account-id", "12345", Fault("account too short", "bad_account", bytes)),
)

_SERVICE_PORTS = ("443", "80", "53", "8443", "5432", "6379", "123", "9092", "22", "3389", "23", "445")
_UNWANTED = frozenset({"22", "3389", "23", "445"})


def flow_lines(
    rng: np.random.Generator,
    n: int,
    version: int = 2,
    dirty: float = 0.001,
    *,
    vpc: Vpc | None = None,
    start: datetime = _NOON,
) -> bytes:
    """A header and ``n`` records that end in the five minutes from ``start``, the share ``dirty`` broken."""
    fields = flow_fields(version)
    lines = flow_records(flow_columns(rng, n, vpc=vpc or default_world().vpcs[0], start=start, version=version), fields)
    faults = flow_faults(fields)
    spoil(rng, lines, faults, round(n * dirty), first=int(rng.integers(0, len(faults))))
    return b"\n".join([" ".join(fields).encode(), *lines, b""])


def flow_records(columns: Columns, fields: Sequence[str]) -> list[bytes]:
    """The records as text lines, without header and line ends."""
    return [" ".join(values).encode() for values in zip(*(columns[name] for name in fields), strict=True)]


def flow_columns(rng: np.random.Generator, n: int, *, vpc: Vpc, start: datetime, version: int) -> Columns:
    """``n`` good records of one VPC as texts, ordered by ``end``."""
    hosts = np.searchsorted(power_law(len(vpc.hosts), 0.8), rng.random(n))
    addresses, services = _peers(vpc)
    peers = np.searchsorted(power_law(len(addresses)), rng.random(n))
    ports = np.searchsorted(power_law(len(_SERVICE_PORTS), 1.3), rng.random(n))
    inbound = rng.random(n) < 0.5
    columns = {
        "version": [str(version)] * n,
        "account-id": [vpc.account] * n,
        "vpc-id": [vpc.vpc_id] * n,
        "region": [vpc.region] * n,
        **_times(rng, n, start),
        **_client(vpc, hosts),
        **_ends(vpc, hosts, _take(addresses, peers), _take(services, peers), inbound),
        **_traffic(rng, _take(_SERVICE_PORTS, ports), inbound),
        **_later_fields(rng, n, vpc),
    }
    _without_data(rng, n, columns)
    return columns


def flow_parquet(columns: Columns, fields: Sequence[str]) -> bytes:
    """The same records as AWS writes them in Parquet: GZIP, underscores, its own types."""
    table = pa.table({name.replace("-", "_"): _typed(name, columns[name]) for name in fields})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="gzip")
    return sink.getvalue()


def vary(rng: np.random.Generator, lines: list[bytes]) -> None:
    """Give one record in 500 an oddity that must load: two spaces between values."""
    for position in rng.choice(len(lines), len(lines) // 500, replace=False).tolist():
        lines[position] = lines[position].replace(b" ", b"  ", 2)


def spoil_rows(rng: np.random.Generator, columns: Columns, count: int, *, first: int = 0) -> list[Fault]:
    """Break ``count`` rows of a Parquet file in place, as `spoil` breaks lines."""
    positions = rng.choice(len(columns["start"]), count, replace=False).tolist()
    chosen = [PARQUET_FAULTS[(first + n) % len(PARQUET_FAULTS)] for n in range(count)]
    for position, (column, text, _) in zip(positions, chosen, strict=True):
        columns[column][position] = text
    return [fault for _, _, fault in chosen]


def _typed(name: str, texts: list[str]) -> pa.Array:
    kind = parquet_type(name)
    as_value = str if pa.types.is_string(kind) else int
    return pa.array([None if text == "-" else as_value(text) for text in texts], kind)


@cache
def _peers(vpc: Vpc) -> tuple[list[str], list[str]]:
    """Addresses the VPC talks to, busiest first, and the AWS service each belongs to."""
    rng = np.random.default_rng([3, *vpc.vpc_id.encode()])
    kinds = rng.integers(0, 4, 3000)
    octets = rng.integers(1, 250, (3000, 3))
    makers = ("52.{}.{}.{}", "10.200.{1}.{2}", "185.{}.{}.{}", "2600:1f14:{}:{}::{}")
    services = ("S3", "DYNAMODB", "EC2", "AMAZON", "CLOUDFRONT")
    addresses = [makers[kind].format(*row) for kind, row in zip(kinds.tolist(), octets.tolist(), strict=True)]
    owners = [
        services[row[0] % 5] if kind == 0 else "-" for kind, row in zip(kinds.tolist(), octets.tolist(), strict=True)
    ]
    return addresses, owners


def _take(pool: Sequence[str], picks: np.ndarray) -> list[str]:
    return [pool[pick] for pick in picks.tolist()]


def _texts(numbers: np.ndarray) -> list[str]:
    return list(map(str, numbers.tolist()))


def _times(rng: np.random.Generator, n: int, start: datetime) -> Columns:
    ends = int(start.timestamp()) + np.sort(rng.integers(0, 300, n))
    return {"start": _texts(ends - rng.integers(5, 60, n)), "end": _texts(ends)}


def _client(vpc: Vpc, hosts: np.ndarray) -> Columns:
    zones = {
        subnet: f"{vpc.region[:2]}w2-az{1 + i}" for i, subnet in enumerate(dict.fromkeys(h.subnet for h in vpc.hosts))
    }
    return {
        "interface-id": _take([host.interface for host in vpc.hosts], hosts),
        "subnet-id": _take([host.subnet for host in vpc.hosts], hosts),
        "instance-id": _take([host.instance or "-" for host in vpc.hosts], hosts),
        "az-id": _take([zones[host.subnet] for host in vpc.hosts], hosts),
    }


def _ends(vpc: Vpc, hosts: np.ndarray, peers: list[str], services: list[str], inbound: np.ndarray) -> Columns:
    own = _take([host.address for host in vpc.hosts], hosts)
    rows = list(zip(own, peers, services, inbound.tolist(), strict=True))
    source = [peer if into else mine for mine, peer, _, into in rows]
    target = [mine if into else peer for mine, peer, _, into in rows]
    return {
        "srcaddr": source,
        "dstaddr": target,
        "pkt-srcaddr": source,
        "pkt-dstaddr": target,
        "pkt-src-aws-service": [service if into else "-" for _, _, service, into in rows],
        "pkt-dst-aws-service": ["-" if into else service for _, _, service, into in rows],
        "type": ["IPv6" if ":" in peer else "IPv4" for peer in peers],
        "flow-direction": ["ingress" if into else "egress" for into in inbound.tolist()],
        "traffic-path": ["-" if into else "1" if peer.startswith("10.") else "8" for _, peer, _, into in rows],
    }


def _traffic(rng: np.random.Generator, ports: list[str], inbound: np.ndarray) -> Columns:
    n = len(ports)
    packets = np.maximum(1, rng.lognormal(2, 1.5, n)).astype(np.int64)
    high = _texts(rng.integers(32768, 61000, n))
    udp = [port in ("53", "123") for port in ports]
    refused = [port in _UNWANTED and into for port, into in zip(ports, inbound.tolist(), strict=True)]
    return {
        "srcport": high,
        "dstport": ports,
        "protocol": ["17" if is_udp else "6" for is_udp in udp],
        "packets": _texts(packets),
        "bytes": _texts(packets * rng.integers(40, 1500, n)),
        "action": ["REJECT" if is_refused else "ACCEPT" for is_refused in refused],
        "tcp-flags": [
            "0" if is_udp else flags
            for is_udp, flags in zip(udp, _take(("2", "18", "3", "19", "1"), rng.integers(0, 5, n)), strict=True)
        ],
        "log-status": ["OK"] * n,
    }


def _later_fields(rng: np.random.Generator, n: int, vpc: Vpc) -> Columns:
    """Versions 4 to 11: containers, tags and next hops, for some of the traffic."""
    columns = {name: ["-"] * n for name in [*SUBLOCATION_FIELDS, *CONTAINER_FIELDS, *LATEST_FIELDS]}
    columns["encryption-status"] = _take(("0", "1"), rng.integers(0, 2, n))
    cluster = f"arn:aws:ecs:{vpc.region}:{vpc.account}:cluster/web"
    for position in np.flatnonzero(rng.random(n) < 0.2).tolist():
        columns["ecs-cluster-name"][position] = "web"
        columns["ecs-cluster-arn"][position] = cluster
        columns["ecs-service-name"][position] = "storefront"
        columns["instance-tag"][position] = "team%3Dweb%20shop"
        columns["interface-type"][position] = "network_load_balancer"
    return columns


def _without_data(rng: np.random.Generator, n: int, columns: Columns) -> None:
    """Turn one record in 80 into NODATA, one in 800 into SKIPDATA, with ``-`` where nothing is known."""
    for position in rng.choice(n, n // 80, replace=False).tolist():
        for name, texts in columns.items():
            if name not in KEPT_WITHOUT_DATA:
                texts[position] = "-"
        columns["log-status"][position] = "SKIPDATA" if position % 10 == 0 else "NODATA"
        if position % 7 == 0:
            columns["account-id"][position] = "unknown"
