"""AWS.VPCFlow: VPC Flow Logs, text with a header line or Parquet.

Names, types and descriptions up to version 5 are those of Panther's schema of the same
name; the fields of later versions follow its manner (see `vpc_flow_later`). Version 6 has
fields of transit gateway flow logs only, which are another log.
"""

from __future__ import annotations

from vpclogs.partitions import LogType
from vpclogs.schemas.model import TIMESTAMP, Indicator, LogSchema
from vpclogs.schemas.vpc_flow_later import BIGINT, LATER_FIELDS, SMALLINT, TEXT, flow_field

__all__ = ["VPC_FLOW"]

_FIELDS = (
    flow_field(
        "version",
        BIGINT,
        "The VPC Flow Logs version. If you use the default format, the version is 2. If you specify a "
        "custom format, the version is 3.",
        since=2,
    ),
    flow_field(
        "account", TEXT, "The AWS account ID for the flow log.", key="account-id", since=2, indicator=Indicator.ACCOUNT
    ),
    flow_field(
        "interfaceId",
        TEXT,
        "The ID of the network interface for which the traffic is recorded.",
        key="interface-id",
        since=2,
    ),
    flow_field(
        "srcAddr",
        TEXT,
        "The source address for incoming traffic, or the IPv4 or IPv6 address of the network interface for "
        "outgoing traffic on the network interface. The IPv4 address of the network interface is always its "
        "private IPv4 address.",
        key="srcaddr",
        since=2,
        indicator=Indicator.IP,
    ),
    flow_field(
        "dstAddr",
        TEXT,
        "The destination address for outgoing traffic, or the IPv4 or IPv6 address of the network interface "
        "for incoming traffic on the network interface. The IPv4 address of the network interface is always "
        "its private IPv4 address.",
        key="dstaddr",
        since=2,
        indicator=Indicator.IP,
    ),
    flow_field("srcPort", BIGINT, "The source port of the traffic.", key="srcport", since=2),
    flow_field("dstPort", BIGINT, "The destination port of the traffic.", key="dstport", since=2),
    flow_field("protocol", BIGINT, "The IANA protocol number of the traffic.", since=2),
    flow_field("packets", BIGINT, "The number of packets transferred during the flow.", since=2),
    flow_field("bytes", BIGINT, "The number of bytes transferred during the flow.", since=2),
    flow_field("start", TIMESTAMP, "The time of the start of the flow (UTC).", required=True, since=2),
    flow_field("end", TIMESTAMP, "The time of the end of the flow (UTC).", required=True, since=2),
    flow_field(
        "action",
        TEXT,
        "The action that is associated with the traffic. ACCEPT: The recorded traffic was permitted by the "
        "security groups or network ACLs. REJECT: The recorded traffic was not permitted by the security "
        "groups or network ACLs.",
        since=2,
        values=frozenset({"ACCEPT", "REJECT"}),
    ),
    flow_field(
        "status",
        TEXT,
        "The logging status of the flow log. OK: Data is logging normally to the chosen destinations. "
        "NODATA: There was no network traffic to or from the network interface during the capture window. "
        "SKIPDATA: Some flow log records were skipped during the capture window. This may be because of an "
        "internal capacity constraint, or an internal error.",
        required=True,
        key="log-status",
        since=2,
        values=frozenset({"OK", "NODATA", "SKIPDATA"}),
    ),
    flow_field(
        "vpcId",
        TEXT,
        "The ID of the VPC that contains the network interface for which the traffic is recorded.",
        key="vpc-id",
        since=3,
    ),
    flow_field(
        "subNetId",
        TEXT,
        "The ID of the subnet that contains the network interface for which the traffic is recorded.",
        key="subnet-id",
        since=3,
    ),
    flow_field(
        "instanceId",
        TEXT,
        "The ID of the instance that's associated with network interface for which the traffic is recorded, "
        "if the instance is owned by you. Returns a '-' symbol for a requester-managed network interface; "
        "for example, the network interface for a NAT gateway.",
        key="instance-id",
        since=3,
        indicator=Indicator.INSTANCE,
    ),
    flow_field(
        "tcpFlags",
        BIGINT,
        "The bitmask value for the following TCP flags: SYN: 2, SYN-ACK: 18, FIN: 1, RST: 4. ACK is "
        "reported only when it's accompanied with SYN. TCP flags can be OR-ed during the aggregation "
        "interval. For short connections, the flags might be set on the same line in the flow log record, "
        "for example, 19 for SYN-ACK and FIN, and 3 for SYN and FIN.",
        key="tcp-flags",
        since=3,
    ),
    flow_field(
        "trafficType",
        TEXT,
        "The type of traffic: IPv4, IPv6, or EFA.",
        key="type",
        since=3,
        values=frozenset({"IPv4", "IPv6", "EFA"}),
    ),
    flow_field(
        "pktSrcAddr",
        TEXT,
        "The packet-level (original) source IP address of the traffic. Use this field with the srcaddr "
        "field to distinguish between the IP address of an intermediate layer through which traffic flows, "
        "and the original source IP address of the traffic. For example, when traffic flows through a "
        "network interface for a NAT gateway, or where the IP address of a pod in Amazon EKS is different "
        "from the IP address of the network interface of the instance node on which the pod is running.",
        key="pkt-srcaddr",
        since=3,
        indicator=Indicator.IP,
    ),
    flow_field(
        "pktDstAddr",
        TEXT,
        "The packet-level (original) destination IP address for the traffic. Use this field with the "
        "dstaddr field to distinguish between the IP address of an intermediate layer through which traffic "
        "flows, and the final destination IP address of the traffic. For example, when traffic flows "
        "through a network interface for a NAT gateway, or where the IP address of a pod in Amazon EKS is "
        "different from the IP address of the network interface of the instance node on which the pod is "
        "running.",
        key="pkt-dstaddr",
        since=3,
        indicator=Indicator.IP,
    ),
    flow_field(
        "pktSrcAwsService",
        TEXT,
        "The name of the subset of IP address ranges for the pkt-srcaddr field, if the source IP address is "
        "for an AWS service. The possible values are: AMAZON | AMAZON_APPFLOW | AMAZON_CONNECT | "
        "API_GATEWAY | CHIME_MEETINGS | CHIME_VOICECONNECTOR | CLOUD9 | CLOUDFRONT | CODEBUILD | DYNAMODB | "
        "EC2 | EC2_INSTANCE_CONNECT | GLOBALACCELERATOR | KINESIS_VIDEO_STREAMS | ROUTE53 | "
        "ROUTE53_HEALTHCHECKS | S3 | WORKSPACES_GATEWAYS.",
        key="pkt-src-aws-service",
        since=5,
    ),
    flow_field(
        "pktDstAwsService",
        TEXT,
        "The name of the subset of IP address ranges for the pkt-dstaddr field, if the destination IP "
        "address is for an AWS service. For a list of possible values, see the pkt-src-aws-service field.",
        key="pkt-dst-aws-service",
        since=5,
    ),
    flow_field(
        "flowDirection",
        TEXT,
        "The direction of the flow with respect to the interface where traffic is captured. The possible "
        "values are: ingress | egress.",
        key="flow-direction",
        since=5,
        values=frozenset({"ingress", "egress"}),
    ),
    flow_field(
        "trafficPath",
        SMALLINT,
        "The path that egress traffic takes to the destination. To determine whether the traffic is egress "
        "traffic, check the flow-direction field. The possible values are as follows. If none of the values "
        "apply, the field is set to -. If the network interface is attached to an instance based on the "
        "Nitro System, the possible values include 7 and 8 but not 2. With instances not based on the Nitro "
        "System (for example, T2 and M4), the possible values include 2 but not 7 or 8. 1 — Through another "
        "resource in the same VPC, 2 — Through an internet gateway or a gateway VPC endpoint, 3 — Through a "
        "virtual private gateway, 4 — Through an intra-region VPC peering connection, 5 — Through an "
        "inter-region VPC peering connection, 6 — Through a local gateway, 7 — Through a gateway VPC "
        "endpoint, 8 — Through an internet gateway",
        key="traffic-path",
        since=5,
    ),
    flow_field(
        "region", TEXT, "The Region that contains the network interface for which traffic is recorded.", since=4
    ),
    flow_field(
        "azId",
        TEXT,
        "The ID of the Availability Zone that contains the network interface for which traffic is recorded. "
        "If the traffic is from a sublocation, the record displays a '-' symbol for this field.",
        key="az-id",
        since=4,
    ),
    flow_field(
        "sublocationType",
        TEXT,
        "The type of sublocation that's returned in the sublocation-id field. The possible values are: "
        "wavelength | outpost | localzone. If the traffic is not from a sublocation, the record displays a "
        "'-' symbol for this field.",
        key="sublocation-type",
        since=4,
        values=frozenset({"wavelength", "outpost", "localzone"}),
    ),
    flow_field(
        "sublocationId",
        TEXT,
        "The ID of the sublocation that contains the network interface for which traffic is recorded. If "
        "the traffic is not from a sublocation, the record displays a '-' symbol for this field.",
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
