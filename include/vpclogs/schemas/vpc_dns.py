"""AWS.VPCDns: Route 53 Resolver query logs, one JSON object per line.

Descriptions are those of Panther's schema of the same name.
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
        "The value that Resolver returned in response to the query. For example, for an A record, this is an IP "
        "address in IPv4 format. For a CNAME record, this is the domain name in the CNAME record.",
        required=True,
    ),
    Field(
        "Type",
        pa.string(),
        "The DNS record type (such as A, MX, or CNAME) of the value that Resolver is returning in response to the "
        "query.",
        required=True,
    ),
    Field("Class", pa.string(), "The class of the Resolver response to the query.", required=True),
)

_SOURCE_IDS = (
    Field(
        "instance",
        pa.string(),
        "The ID of the instance that the query originated from.",
        indicator=Indicator.INSTANCE,
    ),
    Field(
        "resolver_endpoint",
        pa.string(),
        "The ID of the resolver endpoint that passes the DNS query to on-premises DNS servers.",
        aliases=("resolver-endpoint",),
    ),
    Field(
        "resolver_network_interface",
        pa.string(),
        "The ID of the resolver network interface that the query passed through. (Not in Panther's schema.)",
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
            "The version number of the query log format. If we add fields to the log or change the format of existing "
            "fields, we'll increment this value.",
            required=True,
        ),
        Field(
            "account_id",
            pa.string(),
            "The ID of the AWS account that created the VPC.",
            required=True,
            indicator=Indicator.ACCOUNT,
        ),
        Field("region", pa.string(), "The AWS Region that you created the VPC in.", required=True),
        Field("vpc_id", pa.string(), "The ID of the VPC that the query originated in.", required=True),
        Field(
            "query_timestamp",
            TIMESTAMP,
            "The date and time that the query was submitted, in ISO 8601 format and Coordinated Universal Time (UTC)",
            required=True,
        ),
        Field(
            "query_name",
            pa.string(),
            "The domain name (example.com) or subdomain name (www.example.com) that was specified in the query.",
            required=True,
            indicator=Indicator.DOMAIN,
        ),
        Field(
            "query_type",
            pa.string(),
            "Either the DNS record type that was specified in the request, or ANY. For information about the types "
            "that Route 53 supports.",
            required=True,
        ),
        Field(
            "query_class",
            pa.string(),
            "The class of the query.",
            required=True,
            values=frozenset({"IN", "CH", "HS", "ANY"}),
        ),
        Field(
            "rcode",
            pa.string(),
            "The DNS response code that Resolver returned in response to the DNS query. The response code indicates "
            "whether the query was valid or not. The most common response code is NOERROR, meaning that the query was "
            "valid. If the response is not valid, Resolver returns a response code that explains why not. For a list "
            "of possible response codes, see DNS RCODEs on the IANA website.",
            required=True,
            values=frozenset(_RCODES.split()),
        ),
        Field("answers", pa.list_(Field.struct(_ANSWER)), "Answers to the query", required=True, fields=_ANSWER),
        Field(
            "srcaddr",
            pa.string(),
            "The IP address of the instance that the query originated from.",
            required=True,
            indicator=Indicator.IP,
        ),
        Field("srcport", pa.string(), "The port on the instance that the query originated from.", required=True),
        Field(
            "transport",
            pa.string(),
            "The protocol used to submit the DNS query.",
            required=True,
            values=frozenset({"UDP", "TCP"}),
        ),
        Field(
            "srcids",
            Field.struct(_SOURCE_IDS),
            "The list of IDs of the sources the DNS query originated from or passed through.",
            required=True,
            fields=_SOURCE_IDS,
        ),
        Field(
            "firewall_rule_group_id",
            pa.string(),
            "The ID of the DNS Firewall rule group that matched the domain name in the query. This is populated only "
            "if DNS Firewall found a match for a rule with action set to alert or block.",
        ),
        Field(
            "firewall_rule_action",
            pa.string(),
            "The action specified by the rule that matched the domain name in the query. This is populated only if "
            "DNS Firewall found a match for a rule with action set to alert or block.",
            values=frozenset({"ALERT", "BLOCK"}),
        ),
        Field(
            "firewall_domain_list_id",
            pa.string(),
            "The domain list used by the rule that matched the domain name in the query. This is populated only if "
            "DNS Firewall found a match for a rule with action set to alert or block.",
        ),
    ),
)
