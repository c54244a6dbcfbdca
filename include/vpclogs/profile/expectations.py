"""Expected properties of AWS's records, per log type."""

from __future__ import annotations

from dataclasses import dataclass

from vpclogs.partitions import LogType

__all__ = ["EXPECTATIONS", "Expectations"]


@dataclass(frozen=True, slots=True)
class Expectations:
    """Columns by their role. Names are those of the log's schema.

    ``filled`` columns have a value in every record, ``filled_by_traffic`` columns in every record that describes
    traffic; both only if the object's format has the column. ``record`` identifies a record, unless one of
    ``comparable`` lacks a required value. ``spread`` are cheap columns that differ between neighboring records.
    """

    account: str
    filled: tuple[str, ...]
    record: tuple[str, ...]
    comparable: tuple[str, ...]
    spread: tuple[str, ...]
    versions: frozenset[str]
    status: str | None = None  # the column that marks records without traffic
    filled_by_traffic: tuple[str, ...] = ()


_DNS_RECORD = ("query_name", "query_type", "query_class", "rcode", "srcaddr", "srcport", "transport")
_FLOW_TUPLE = ("srcAddr", "dstAddr", "srcPort", "dstPort", "protocol")

EXPECTATIONS = {
    LogType.VPC_DNS: Expectations(
        account="account_id",
        filled=("account_id", "region", "vpc_id", "query_timestamp", *_DNS_RECORD),
        record=("query_timestamp", "vpc_id", "query_name", "query_type", "srcaddr", "srcport", "transport"),
        comparable=("vpc_id", "srcaddr", "srcport"),
        spread=("query_timestamp", "srcport"),
        versions=frozenset({"1.000000", "1.100000"}),
    ),
    LogType.VPC_FLOW: Expectations(
        account="account",
        # Not interfaceId: it is `-` for a regional NAT gateway. Not account: it may be `unknown`.
        filled=("start", "end", "status"),
        filled_by_traffic=(*_FLOW_TUPLE, "packets", "bytes", "action", "vpcId", "subNetId"),
        # Not pktSrcAddr and the like: two flow logs of different formats deliver the same record.
        record=("interfaceId", *_FLOW_TUPLE, "packets", "bytes", "start", "end"),
        comparable=("interfaceId", "srcAddr", "dstAddr", "srcPort", "dstPort", "status"),
        spread=("start", "bytes"),
        # The highest version among the chosen fields; 6 is transit gateway only.
        versions=frozenset(str(version) for version in range(2, 12)),
        status="status",
    ),
}
