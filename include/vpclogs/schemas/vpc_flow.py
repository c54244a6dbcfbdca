"""AWS.VPCFlow: VPC Flow Logs, text with a header line or Parquet.

Names and types up to version 5 are those of Panther's schema of the same
name; the fields of later versions follow its manner (see `vpc_flow_later`). Version 6 has
fields of transit gateway flow logs only, which are another log.
"""

from __future__ import annotations

from vpclogs.partitions import LogType
from vpclogs.schemas.model import TIMESTAMP, Indicator, LogSchema
from vpclogs.schemas.vpc_flow_v7 import BIGINT, LATER_FIELDS, SMALLINT, TEXT, flow_field

__all__ = ["VPC_FLOW"]

_FIELDS = (
    flow_field(
        "version",
        BIGINT,
        "Record format: 2 is AWS's default, 3 and higher a format that the owner chose. Integer, 2 to 11.",
        since=2,
    ),
    flow_field(
        "account",
        TEXT,
        "Owner of the network interface, as an AWS account of 12 digits.",
        key="account-id",
        since=2,
        indicator=Indicator.ACCOUNT,
    ),
    flow_field(
        "interfaceId",
        TEXT,
        "Network interface whose traffic is logged, such as eni-0123456789abcdef0.",
        key="interface-id",
        since=2,
    ),
    flow_field(
        "srcAddr",
        TEXT,
        "Sender, as an IPv4 or IPv6 address. For traffic that leaves the interface, an address of the "
        "interface itself; its IPv4 address is then the private one.",
        key="srcaddr",
        since=2,
        indicator=Indicator.IP,
    ),
    flow_field(
        "dstAddr",
        TEXT,
        "Receiver, as an IPv4 or IPv6 address. For traffic that reaches the interface, an address of the "
        "interface itself; its IPv4 address is then the private one.",
        key="dstaddr",
        since=2,
        indicator=Indicator.IP,
    ),
    flow_field(
        "srcPort",
        BIGINT,
        "Port of the sender, 0 to 65535; 0 for protocols without ports, such as ICMP.",
        key="srcport",
        since=2,
    ),
    flow_field(
        "dstPort",
        BIGINT,
        "Port of the receiver, 0 to 65535; 0 for protocols without ports, such as ICMP.",
        key="dstport",
        since=2,
    ),
    flow_field("protocol", BIGINT, "IANA protocol number, 0 to 255: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6.", since=2),
    flow_field("packets", BIGINT, "Packets in the aggregation window, 0 or more.", since=2),
    flow_field("bytes", BIGINT, "Bytes in the aggregation window, 0 or more.", since=2),
    flow_field(
        "start",
        TIMESTAMP,
        "When the first packet of the aggregation window arrived. UTC, whole seconds.",
        required=True,
        since=2,
    ),
    flow_field(
        "end",
        TIMESTAMP,
        "When the last packet of the aggregation window arrived. UTC, whole seconds; 1 or 10 minutes "
        "after start at most.",
        required=True,
        since=2,
    ),
    flow_field(
        "action",
        TEXT,
        "Verdict of security groups and network ACLs: ACCEPT let the traffic pass, REJECT did not.",
        since=2,
        values=frozenset({"ACCEPT", "REJECT"}),
    ),
    flow_field(
        "status",
        TEXT,
        "Completeness of the window: OK is a logged flow, NODATA an interface without traffic, SKIPDATA a"
        " window with records lost inside AWS.",
        required=True,
        key="log-status",
        since=2,
        values=frozenset({"OK", "NODATA", "SKIPDATA"}),
    ),
    flow_field(
        "vpcId",
        TEXT,
        "VPC of the network interface, such as vpc-0123456789abcdef0.",
        key="vpc-id",
        since=3,
    ),
    flow_field(
        "subNetId",
        TEXT,
        "Subnet of the network interface, such as subnet-0123456789abcdef0.",
        key="subnet-id",
        since=3,
    ),
    flow_field(
        "instanceId",
        TEXT,
        "EC2 instance of the network interface, such as i-0123456789abcdef0. Null if an AWS service runs "
        "the interface, as for NAT gateways.",
        key="instance-id",
        since=3,
        indicator=Indicator.INSTANCE,
    ),
    flow_field(
        "tcpFlags",
        BIGINT,
        "TCP flags seen in the window, combined with OR: FIN 1, SYN 2, RST 4, ACK 16. 18 is SYN-ACK, 3 a "
        "short connection in one direction, 19 in the other. AWS sets ACK only together with SYN.",
        key="tcp-flags",
        since=3,
    ),
    flow_field(
        "trafficType",
        TEXT,
        "Address family of the flow, or EFA for Elastic Fabric Adapter.",
        key="type",
        since=3,
        values=frozenset({"IPv4", "IPv6", "EFA"}),
    ),
    flow_field(
        "pktSrcAddr",
        TEXT,
        "Sender in the packet itself, as an IP address. It differs from srcAddr behind a NAT gateway, a "
        "load balancer or the node of an EKS pod.",
        key="pkt-srcaddr",
        since=3,
        indicator=Indicator.IP,
    ),
    flow_field(
        "pktDstAddr",
        TEXT,
        "Receiver in the packet itself, as an IP address. It differs from dstAddr behind a NAT gateway, a"
        " load balancer or the node of an EKS pod.",
        key="pkt-dstaddr",
        since=3,
        indicator=Indicator.IP,
    ),
    flow_field(
        "pktSrcAwsService",
        TEXT,
        "AWS service whose published ranges hold pktSrcAddr, such as S3, EC2, CLOUDFRONT or AMAZON for "
        "any other. Null outside of AWS.",
        key="pkt-src-aws-service",
        since=5,
    ),
    flow_field(
        "pktDstAwsService",
        TEXT,
        "AWS service whose published ranges hold pktDstAddr, with the names of pktSrcAwsService. Null outside of AWS.",
        key="pkt-dst-aws-service",
        since=5,
    ),
    flow_field(
        "flowDirection",
        TEXT,
        "Direction seen from the network interface: ingress arrives, egress leaves.",
        key="flow-direction",
        since=5,
        values=frozenset({"ingress", "egress"}),
    ),
    flow_field(
        "trafficPath",
        SMALLINT,
        "Way out of an egress flow, 1 to 8: 1 within the VPC, 2 internet gateway or gateway endpoint, 3 "
        "virtual private gateway, 4 peering within the region, 5 peering between regions, 6 local "
        "gateway, 7 gateway endpoint (Nitro), 8 internet gateway (Nitro). Null for any other way and for "
        "ingress.",
        key="traffic-path",
        since=5,
    ),
    flow_field("region", TEXT, "AWS region of the network interface, such as us-east-1.", since=4),
    flow_field(
        "azId",
        TEXT,
        "Availability zone of the network interface, by its ID, such as use1-az2. Null in a sublocation.",
        key="az-id",
        since=4,
    ),
    flow_field(
        "sublocationType",
        TEXT,
        "Kind of AWS site outside of the region's zones. Null in an ordinary zone.",
        key="sublocation-type",
        since=4,
        values=frozenset({"wavelength", "outpost", "localzone"}),
    ),
    flow_field(
        "sublocationId",
        TEXT,
        "ID of the Wavelength Zone, Outpost or Local Zone. Null in an ordinary zone.",
        key="sublocation-id",
        since=4,
    ),
)

VPC_FLOW = LogSchema(
    log_type=LogType.VPC_FLOW,
    title="AWS.VPCFlow",
    fields=(*_FIELDS, *LATER_FIELDS),
    event_time="start",
    version=1,
)
