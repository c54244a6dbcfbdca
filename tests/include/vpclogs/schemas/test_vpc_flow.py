import pyarrow as pa
import pytest

from vpclogs.partitions import LogType
from vpclogs.schemas import TIMESTAMP, Indicator, schema_for
from vpclogs.schemas.vpc_flow import VPC_FLOW

TYPES = {"bigint": pa.int64(), "smallint": pa.int16(), "string": pa.string(), "timestamp": TIMESTAMP}

# Panther's AWS.VPCFlow, with the header that AWS writes for each column and the version it came with.
PANTHER = """
version bigint version 2
account string account-id 2
interfaceId string interface-id 2
srcAddr string srcaddr 2
dstAddr string dstaddr 2
srcPort bigint srcport 2
dstPort bigint dstport 2
protocol bigint protocol 2
packets bigint packets 2
bytes bigint bytes 2
start timestamp start 2
end timestamp end 2
action string action 2
status string log-status 2
vpcId string vpc-id 3
subNetId string subnet-id 3
instanceId string instance-id 3
tcpFlags bigint tcp-flags 3
trafficType string type 3
pktSrcAddr string pkt-srcaddr 3
pktDstAddr string pkt-dstaddr 3
pktSrcAwsService string pkt-src-aws-service 5
pktDstAwsService string pkt-dst-aws-service 5
flowDirection string flow-direction 5
trafficPath smallint traffic-path 5
region string region 4
azId string az-id 4
sublocationType string sublocation-type 4
sublocationId string sublocation-id 4
"""
ROWS = [line.split() for line in PANTHER.split("\n") if line]
LATER = {
    7: "ecs-cluster-arn ecs-cluster-name ecs-container-instance-arn ecs-container-instance-id ecs-container-id "
    "ecs-second-container-id ecs-service-name ecs-task-definition-arn ecs-task-arn ecs-task-id",
    8: "reject-reason",
    9: "resource-id",
    10: "encryption-status",
    11: "instance-tag instance-tag-2 interface-tag interface-tag-2 asg-tag asg-tag-2 interface-type "
    "next-hop-interface-id next-hop-subnet-id next-hop-az-id next-hop-vpc-id next-hop-interface-type",
}


@pytest.mark.parametrize(("name", "kind", "header", "since"), ROWS, ids=[row[0] for row in ROWS])
def test_field_up_to_version_5_matches_panthers_schema(name, kind, header, since):
    field = VPC_FLOW.by_key[header]

    assert (field.name, field.type, field.since) == (name, TYPES[kind], int(since))
    assert field.parquet == header.replace("-", "_")


def test_columns_are_panthers_then_those_of_later_versions():
    names = [field.name for field in VPC_FLOW.fields]

    assert names[: len(ROWS)] == [row[0] for row in ROWS]
    assert [f.key for f in VPC_FLOW.fields[len(ROWS) :]] == " ".join(LATER.values()).split()
    assert [f.since for f in VPC_FLOW.fields[len(ROWS) :]] == [v for v, keys in LATER.items() for _ in keys.split()]


def test_names_headers_and_parquet_columns_are_distinct():
    for spelling in ("name", "key", "parquet"):
        assert len({getattr(field, spelling) for field in VPC_FLOW.fields}) == len(VPC_FLOW.fields)


def test_required_fields_and_indicators_are_panthers():
    required = {field.name for field in VPC_FLOW.fields if field.required}
    indicators = {field.name: field.indicator for field in VPC_FLOW.fields if field.indicator}

    assert required == {"start", "end", "status"}
    assert indicators == {
        "account": Indicator.ACCOUNT,
        "instanceId": Indicator.INSTANCE,
        **dict.fromkeys(("srcAddr", "dstAddr", "pktSrcAddr", "pktDstAddr"), Indicator.IP),
    }
    assert VPC_FLOW.event_time == "start"
    assert schema_for(LogType.VPC_FLOW) is VPC_FLOW
