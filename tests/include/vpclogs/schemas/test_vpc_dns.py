"""The DNS field table is Panther's AWS.VPCDns."""

from __future__ import annotations

import pyarrow as pa

from vpclogs.partitions import LogType
from vpclogs.schemas import schema_for
from vpclogs.schemas.model import TIMESTAMP, Indicator
from vpclogs.schemas.tables import LINEAGE, QUARANTINE, table_schema

# Name, required, type, indicator of Panther's schema; a hyphen has become an underscore.
PANTHER = """
version yes string -
account_id yes string p_any_aws_account_ids
region yes string -
vpc_id yes string -
query_timestamp yes timestamp[us, tz=UTC] -
query_name yes string p_any_domain_names
query_type yes string -
query_class yes string -
rcode yes string -
answers yes list -
srcaddr yes string p_any_ip_addresses
srcport yes string -
transport yes string -
srcids yes struct -
firewall_rule_group_id no string -
firewall_rule_action no string -
firewall_domain_list_id no string -
"""
DNS = schema_for(LogType.VPC_DNS)


def test_names_types_and_requirements_are_panthers():
    ours = [(f.name, "yes" if f.required else "no", str(f.type).split("<")[0], f.indicator or "-") for f in DNS.fields]

    # query_name is none of the YAML's indicators, but one of the native parser's
    assert [" ".join(row) for row in ours] == PANTHER.strip().split("\n")


def test_an_answer_has_three_texts_that_are_all_required():
    answer = DNS.by_key["answers"].type.value_type

    assert [(f.name, f.type, f.nullable) for f in answer] == [
        (n, pa.string(), False) for n in ("Rdata", "Type", "Class")
    ]


def test_both_spellings_of_the_resolver_endpoint_are_one_field():
    endpoint = next(f for f in DNS.by_key["srcids"].fields if f.name == "resolver_endpoint")

    assert endpoint.aliases == ("resolver-endpoint",)


def test_columns_are_log_then_derived_then_lineage():
    names = table_schema(LogType.VPC_DNS).names

    derived = ["p_event_time", *Indicator, "p_extra"]
    assert names == [*DNS.arrow.names, *derived, *(field.name for field in LINEAGE)]
    assert table_schema(LogType.VPC_DNS).field("p_event_time").type == TIMESTAMP


def test_a_refused_object_has_neither_line_nor_text():
    nullable = {field.name for field in QUARANTINE if field.nullable}

    assert {"field", "raw", "raw_bytes", "start", "end", "p_source_line"} <= nullable
    assert not nullable & {"reason", "detail", "raw_complete", "p_row_id", "p_source_key", "p_source_etag"}
