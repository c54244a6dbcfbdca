"""Resolver query logs: one JSON object a line, in the key order that AWS writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from demo.sample.faults import DNS_FAULTS, spoil
from demo.sample.names import Question, questions
from demo.sample.world import Host, Vpc, default_world, power_law

__all__ = ["DRIFTS_FROM", "dns_lines", "dns_records", "vary"]

_RECORDS_PER_ODDITY = 500
_NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def dns_lines(
    rng: np.random.Generator,
    n: int,
    dirty: float = 0.001,
    *,
    vpc: Vpc | None = None,
    start: datetime = _NOON,
) -> bytes:
    """``n`` records of five minutes from ``start`` in one VPC, the share ``dirty`` of them broken."""
    lines = dns_records(rng, n, vpc=vpc or default_world().vpcs[0], start=start)
    spoil(rng, lines, DNS_FAULTS, round(n * dirty), first=int(rng.integers(0, len(DNS_FAULTS))))
    return b"".join(line + b"\n" for line in lines)


def dns_records(
    rng: np.random.Generator, n: int, *, vpc: Vpc, start: datetime, window: timedelta = timedelta(minutes=5)
) -> list[bytes]:
    """``n`` good records of one VPC in time order, without line ends."""
    asked = questions(vpc.region, seed=default_world().seed)
    picks = np.searchsorted(power_law(len(asked)), rng.random(n))
    variants = rng.random(n)
    clients = np.searchsorted(power_law(len(vpc.hosts), 0.8), rng.random(n))
    ports = rng.integers(1024, 65536, n)
    times = _timestamps(rng, n, start, window)
    head = f'{{"version":"1.100000","account_id":"{vpc.account}","region":"{vpc.region}","vpc_id":"{vpc.vpc_id}",'
    from_host = [f',"srcaddr":"{host.address}","srcport":"' for host in vpc.hosts]
    through = [f'","transport":"UDP","srcids":{_source_ids(host)}' for host in vpc.hosts]
    rows = zip(picks.tolist(), variants.tolist(), clients.tolist(), ports.tolist(), times, strict=True)
    return [
        f'{head}"query_timestamp":"{time}Z",{_variant(asked[pick], share)}'
        f"{from_host[client]}{port}{through[client]}{_firewall(asked[pick])}}}".encode()
        for pick, share, client, port, time in rows
    ]


def vary(rng: np.random.Generator, lines: list[bytes]) -> None:
    """Give some records an oddity that must load: another key order, version, an unknown member."""
    for number, position in enumerate(
        rng.choice(len(lines), len(lines) // _RECORDS_PER_ODDITY, replace=False).tolist()
    ):
        lines[position] = _ODDITIES[number % len(_ODDITIES)](lines[position])


def _timestamps(rng: np.random.Generator, n: int, start: datetime, window: timedelta) -> Sequence[str]:
    offsets = np.sort(rng.integers(0, int(window.total_seconds()), n))
    seconds = np.datetime64(start.astimezone(UTC).replace(tzinfo=None), "s") + offsets
    texts: list[str] = np.datetime_as_string(seconds, unit="s").tolist()
    return texts


def _variant(question: Question, share: float) -> str:
    return question.parts[int(share * len(question.parts))]


def _source_ids(host: Host) -> str:
    members = []
    if host.instance:
        members.append(f'"instance":"{host.instance}"')
    if host.endpoint:
        members.append(f'"{host.endpoint_key}":"{host.endpoint}"')
    return "{" + ",".join(members) + "}"


def _firewall(question: Question) -> str:
    if question.action is None:
        return ""
    return (
        f',"firewall_rule_group_id":"rslvr-frg-7c41b3a9d0e14f52","firewall_rule_action":"{question.action}"'
        f',"firewall_domain_list_id":"rslvr-fdl-0a9be8d7c6f54321"'
    )


def _reordered(line: bytes) -> bytes:
    """The same record with its last members first: key order is not fixed."""
    cut = line.index(b',"srcaddr"')
    return b"{" + line[cut + 1 : -1] + b"," + line[1:cut] + b"}"


def _of_a_version_to_come(line: bytes) -> bytes:
    return line.replace(b'"1.100000"', b'"1.200000"')[:-1] + b',"additional_properties":{"is_delayed":true}}'


_ODDITIES: tuple[Callable[[bytes], bytes], ...] = (
    _reordered,
    lambda line: line.replace(b'"transport":"UDP"', b'"transport":"TCP"'),
    lambda line: line.replace(b'Z","query_name"', b'.177Z","query_name"'),
    _of_a_version_to_come,
    lambda line: line.replace(b'"1.100000"', b'"1.000000"'),
)

DRIFTS_FROM = _RECORDS_PER_ODDITY * (1 + _ODDITIES.index(_of_a_version_to_come))
"""Records from which on `vary` gives an object a version and a field that no schema has."""
