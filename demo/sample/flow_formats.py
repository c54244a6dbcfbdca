"""The headers of flow logs, by format version, and their Parquet types.

Written from AWS's documentation by hand, apart from the product's own field tables,
so that the sample can check those.
"""

from __future__ import annotations

import pyarrow as pa

__all__ = [
    "CONTAINER_FIELDS",
    "KEPT_WITHOUT_DATA",
    "LATEST_FIELDS",
    "SUBLOCATION_FIELDS",
    "flow_fields",
    "parquet_type",
]


def _names(text: str) -> list[str]:
    return text.split()


SUBLOCATION_FIELDS = _names("sublocation-type sublocation-id")
CONTAINER_FIELDS = _names(
    "ecs-cluster-arn ecs-cluster-name ecs-container-instance-arn ecs-container-instance-id ecs-container-id "
    "ecs-second-container-id ecs-service-name ecs-task-definition-arn ecs-task-arn ecs-task-id"
)
LATEST_FIELDS = _names(
    "reject-reason resource-id encryption-status instance-tag interface-tag asg-tag interface-type "
    "next-hop-interface-id next-hop-subnet-id next-hop-az-id next-hop-vpc-id next-hop-interface-type"
)
_V2 = _names(
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
_V5 = [
    *_V2,
    *_names("vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id"),
    *SUBLOCATION_FIELDS,
    *_names("pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"),
]
# A custom format in an order of its own, as AWS's examples have it.
_V3 = _names(
    "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport pkt-srcaddr "
    "pkt-dstaddr protocol bytes packets start end action tcp-flags log-status"
)
_FIELDS = {2: _V2, 3: _V3, 5: _V5, 7: _V5 + CONTAINER_FIELDS, 11: _V5 + CONTAINER_FIELDS + LATEST_FIELDS}

KEPT_WITHOUT_DATA = frozenset(
    _names("version account-id interface-id start end log-status vpc-id subnet-id region az-id")
)
"""The fields that a NODATA or SKIPDATA record has; all others are ``-``."""

_INT32 = frozenset(_names("version srcport dstport protocol tcp-flags traffic-path"))
_INT64 = frozenset(_names("packets bytes start end"))


def flow_fields(version: int) -> list[str]:
    """The header of a flow log of ``version``: 2 (default), 3 (a custom order), 5, 7 or 11."""
    return _FIELDS[version]


def parquet_type(name: str) -> pa.DataType:
    """The type of a field in AWS's Parquet files."""
    return pa.int32() if name in _INT32 else pa.int64() if name in _INT64 else pa.string()
