"""Render a planned object: its bytes, and the outcome that it must have."""

from __future__ import annotations

import bz2
import gzip
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from demo.sample import dns, flow
from demo.sample.faults import DNS_FAULTS, LONG_LINE, Fault, flow_faults, spoil
from demo.sample.flow_formats import flow_fields
from demo.sample.objects import DNS, PlannedObject
from demo.sample.truth import EMPTY, LOADED, REFUSED, ObjectTruth

__all__ = ["render"]

_SAMPLE_DNS_FAULTS = (*DNS_FAULTS, LONG_LINE)
_EMPTY_BREAKS = frozenset({"zero_bytes", "no_lines", "header_only"})


def render(planned: PlannedObject, seed: int) -> tuple[ObjectTruth, bytes]:
    """The object's truth and its bytes; the same for the same plan and seed."""
    rng = np.random.default_rng([seed, 5, len(planned.log_type), planned.number])
    if planned.broken:
        return _truth(planned, []), _BREAKS[planned.broken](rng, planned)
    if planned.log_type == DNS:
        lines, faults = _dns(rng, planned)
    elif planned.vpc.flow.parquet:
        return _flow_parquet(rng, planned)
    else:
        lines, faults = _flow_text(rng, planned)
    return _truth(planned, faults), _gzip(lines)


def _truth(planned: PlannedObject, faults: Sequence[Fault]) -> ObjectTruth:
    state = LOADED if planned.broken is None else EMPTY if planned.broken in _EMPTY_BREAKS else REFUSED
    return ObjectTruth(
        log_type=planned.log_type,
        key=planned.key,
        account=planned.vpc.account,
        region=planned.vpc.region,
        day=planned.at.date().isoformat(),
        state=state,
        reason=planned.broken if state == REFUSED else None,
        good=planned.records - len(faults) if state == LOADED else 0,
        refused=dict(sorted(Counter(fault.reason for fault in faults).items())),
        late=planned.late,
    )


def _dns(rng: np.random.Generator, planned: PlannedObject) -> tuple[list[bytes], list[Fault]]:
    lines = dns.dns_records(rng, planned.records, vpc=planned.vpc, start=planned.at)
    dns.vary(rng, lines)
    return lines, spoil(rng, lines, _SAMPLE_DNS_FAULTS, planned.faults, first=planned.first_fault)


def _flow_text(rng: np.random.Generator, planned: PlannedObject) -> tuple[list[bytes], list[Fault]]:
    fields = flow_fields(planned.vpc.flow.version)
    header = " ".join(fields).encode()
    lines = flow.flow_records(_flow_columns(rng, planned), fields)
    flow.vary(rng, lines)
    faults = spoil(rng, lines, flow_faults(fields), planned.faults, first=planned.first_fault)
    if planned.number % 10 == 0:  # seen in files that were joined: neither line is a record
        middle = len(lines) // 2
        lines[middle:middle] = [b"", header]
    return [header, *lines], faults


def _flow_parquet(rng: np.random.Generator, planned: PlannedObject) -> tuple[ObjectTruth, bytes]:
    columns = _flow_columns(rng, planned)
    faults = flow.spoil_rows(rng, columns, planned.faults, first=planned.first_fault)
    return _truth(planned, faults), flow.flow_parquet(columns, flow_fields(planned.vpc.flow.version))


def _flow_columns(rng: np.random.Generator, planned: PlannedObject) -> flow.Columns:
    version = planned.vpc.flow.version
    columns = flow.flow_columns(rng, planned.records, vpc=planned.vpc, start=planned.at, version=version)
    if planned.number % 9 == 0:  # against the documentation, but seen
        for name in ("start", "end"):
            columns[name] = [f"{seconds}000" for seconds in columns[name]]
    return columns


def _gzip(lines: Sequence[bytes]) -> bytes:
    return gzip.compress(b"".join(line + b"\n" for line in lines), compresslevel=6, mtime=0)


def _whole(rng: np.random.Generator, planned: PlannedObject) -> list[bytes]:
    return _dns(rng, planned)[0] if planned.log_type == DNS else _flow_text(rng, planned)[0]


def _corrupt(rng: np.random.Generator, planned: PlannedObject) -> bytes:
    body = bytearray(_gzip(_whole(rng, planned)))
    middle = len(body) // 2
    body[middle : middle + 64] = bytes(byte ^ 0xA5 for byte in body[middle : middle + 64])
    return bytes(body)


def _transit_gateway(rng: np.random.Generator, planned: PlannedObject) -> bytes:
    header = (
        b"version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id "
        b"srcaddr dstaddr srcport dstport protocol packets bytes start end log-status"
    )
    row = (
        f"6 TransitGateway {planned.vpc.account} tgw-0a1b2c3d4e5f60718 tgw-attach-0a1b2c3d4e5f60718 123456789012 "
        f"210987654321 10.0.1.5 10.32.0.9 44321 443 6 10 5200 1768478400 1768478459 OK"
    )
    return _gzip([header, *[row.encode()] * planned.records])


def _cloudwatch_export(rng: np.random.Generator, planned: PlannedObject) -> bytes:
    stamp = planned.at.strftime("%Y-%m-%dT%H:%M:%S.000Z ").encode()
    return _gzip([stamp + line for line in _whole(rng, planned)[1:]])


def _major_version(rng: np.random.Generator, planned: PlannedObject) -> bytes:
    return _gzip([line.replace(b'"version":"1.', b'"version":"2.') for line in _whole(rng, planned)])


def _json(rng: np.random.Generator, planned: PlannedObject) -> bytes:
    return _gzip(dns.dns_records(rng, planned.records, vpc=planned.vpc, start=planned.at))


_BREAKS: dict[str, Callable[[np.random.Generator, PlannedObject], bytes]] = {
    "gzip_truncated": lambda rng, planned: (body := _gzip(_whole(rng, planned)))[: len(body) * 3 // 5],
    "gzip_corrupt": _corrupt,
    "not_gzip": lambda rng, planned: bz2.compress(b"\n".join(_whole(rng, planned))),
    "zero_bytes": lambda rng, planned: b"",
    "no_lines": lambda rng, planned: _gzip([]),
    "key_layout": lambda rng, planned: b"Do not put files here.\n",
    "version_major": _major_version,
    "header_only": lambda rng, planned: _gzip(_whole(rng, planned)[:1]),
    "no_header": lambda rng, planned: _gzip(_whole(rng, planned)[1:]),
    "transit_gateway": _transit_gateway,
    "cloudwatch_export": _cloudwatch_export,
    "json_in_flow": _json,
    "parquet_corrupt": lambda rng, planned: _flow_parquet(rng, planned)[1][:-200],
}
