"""AWS.VPCDns: Route 53 Resolver query logs, one JSON object per line.

Names and types are those of Panther's schema of the same name, which lacks ``resolver_network_interface``.
"""

from __future__ import annotations

import pyarrow as pa

from vpclogs.partitions import LogType
from vpclogs.schemas.model import TIMESTAMP, Field, Indicator, LogSchema

__all__ = ["VPC_DNS"]

# https://www.iana.org/assignments/dns-parameters (DNS RCODEs)
_RCODES = """
NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH NOTZONE
DSOTYPENI BADVERS BADSIG BADKEY BADTIME BADMODE BADNAME BADALG BADTRUNC BADCOOKIE
"""

_ANSWER = (
    Field(
        "Rdata",
        pa.string(),
        "Answered value in text: an address for A and AAAA, a name for CNAME.",
        required=True,
    ),
    Field(
        "Type",
        pa.string(),
        "Record type of this answer, such as A, AAAA, CNAME or MX.",
        required=True,
    ),
    Field("Class", pa.string(), "DNS class of this answer, in practice IN.", required=True),
)

_SOURCE_IDS = (
    Field(
        "instance",
        pa.string(),
        "EC2 instance that asked, such as i-0123456789abcdef0.",
        indicator=Indicator.INSTANCE,
    ),
    Field(
        "resolver_endpoint",
        pa.string(),
        "Resolver endpoint that took the query between the VPC and a network on premises, such as rslvr-"
        "in-0123456789abcdef0.",
        aliases=("resolver-endpoint",),
    ),
    Field(
        "resolver_network_interface",
        pa.string(),
        "Network interface of the Resolver endpoint, such as rni-0123456789abcdef0.",
    ),
)

VPC_DNS = LogSchema(
    log_type=LogType.VPC_DNS,
    title="AWS.VPCDns",
    event_time="query_timestamp",
    version=1,
    fields=(
        Field(
            "version",
            pa.string(),
            "Format of the log line, such as 1.100000. AWS raises it when fields are added or change.",
            required=True,
        ),
        Field(
            "account_id",
            pa.string(),
            "Owner of the VPC, as an AWS account of 12 digits.",
            required=True,
            indicator=Indicator.ACCOUNT,
        ),
        Field("region", pa.string(), "AWS region of the VPC, such as us-east-1.", required=True),
        Field("vpc_id", pa.string(), "VPC that asked, such as vpc-0123456789abcdef0.", required=True),
        Field(
            "query_timestamp",
            TIMESTAMP,
            "When Resolver received the query. UTC, whole seconds.",
            required=True,
        ),
        Field(
            "query_name",
            pa.string(),
            "Name asked for, with its final dot, such as www.example.com.; up to 255 bytes.",
            required=True,
            indicator=Indicator.DOMAIN,
        ),
        Field(
            "query_type",
            pa.string(),
            "Record type asked for, such as A, AAAA or PTR; ANY for all types.",
            required=True,
        ),
        Field(
            "query_class",
            pa.string(),
            "DNS class asked for, nearly always IN, the internet.",
            required=True,
            values=frozenset({"IN", "CH", "HS", "ANY"}),
        ),
        Field(
            "rcode",
            pa.string(),
            "Outcome by its IANA name: NOERROR for an answer, NXDOMAIN for a name that does not exist, "
            "SERVFAIL for a failed lookup.",
            required=True,
            values=frozenset(_RCODES.split()),
        ),
        Field(
            "answers",
            pa.list_(Field.struct(_ANSWER)),
            "Records in the response, in order; an empty list if there are none.",
            required=True,
            fields=_ANSWER,
        ),
        Field(
            "srcaddr",
            pa.string(),
            "Sender of the query, as an IPv4 or IPv6 address.",
            required=True,
            indicator=Indicator.IP,
        ),
        Field("srcport", pa.string(), "Port of the sender, 0 to 65535, as text.", required=True),
        Field(
            "transport",
            pa.string(),
            "Transport of the query: UDP, or TCP for large responses.",
            required=True,
            values=frozenset({"UDP", "TCP"}),
        ),
        Field(
            "srcids",
            Field.struct(_SOURCE_IDS),
            "IDs of the resources that sent or forwarded the query.",
            required=True,
            fields=_SOURCE_IDS,
        ),
        Field(
            "firewall_rule_group_id",
            pa.string(),
            "DNS Firewall rule group that matched, such as rslvr-frg-0123456789abcdef. Null unless a rule "
            "alerted or blocked.",
        ),
        Field(
            "firewall_rule_action",
            pa.string(),
            "Action of the DNS Firewall rule that matched. Null unless a rule alerted or blocked.",
            values=frozenset({"ALERT", "BLOCK"}),
        ),
        Field(
            "firewall_domain_list_id",
            pa.string(),
            "DNS Firewall domain list that the name is on, such as rslvr-fdl-0123456789abcdef. Null unless a "
            "rule alerted or blocked.",
        ),
    ),
)
