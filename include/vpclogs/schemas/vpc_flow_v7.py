"""Fields of VPC Flow Logs since version 7, which Panther's schema does not have.

AWS keeps adding fields. A header that is not here yet is kept in ``p_extra``; once it
is here, raise the version of `VPC_FLOW`.
"""

from __future__ import annotations

import pyarrow as pa

from vpclogs.schemas.model import Field, Indicator

__all__ = ["BIGINT", "LATER_FIELDS", "SMALLINT", "TEXT", "flow_field"]

BIGINT = pa.int64()
SMALLINT = pa.int16()
TEXT = pa.string()


def flow_field(
    name: str,
    kind: pa.DataType,
    description: str,
    *,
    since: int,
    key: str = "",
    required: bool = False,
    indicator: Indicator | None = None,
    values: frozenset[str] = frozenset(),
) -> Field:
    """A field whose Parquet column is its header with underscores for hyphens, as AWS does it."""
    return Field(
        name,
        kind,
        description,
        required=required,
        key=key or name,
        parquet=(key or name).replace("-", "_"),
        since=since,
        indicator=indicator,
        values=values,
    )


LATER_FIELDS = (
    flow_field(
        "ecsClusterArn",
        TEXT,
        "ECS cluster of the task that has the traffic, as an ARN.",
        key="ecs-cluster-arn",
        since=7,
    ),
    flow_field(
        "ecsClusterName",
        TEXT,
        "ECS cluster of the task that has the traffic, by name.",
        key="ecs-cluster-name",
        since=7,
    ),
    flow_field(
        "ecsContainerInstanceArn",
        TEXT,
        "EC2 container instance that runs the ECS task, as an ARN. Null on Fargate.",
        key="ecs-container-instance-arn",
        since=7,
    ),
    flow_field(
        "ecsContainerInstanceId",
        TEXT,
        "EC2 container instance that runs the ECS task, by its ECS ID. Null on Fargate.",
        key="ecs-container-instance-id",
        since=7,
    ),
    flow_field(
        "ecsContainerId",
        TEXT,
        "First container of the ECS task, by its Docker runtime ID.",
        key="ecs-container-id",
        since=7,
    ),
    flow_field(
        "ecsSecondContainerId",
        TEXT,
        "Second container of the ECS task, by its Docker runtime ID. Null if there is one only.",
        key="ecs-second-container-id",
        since=7,
    ),
    flow_field(
        "ecsServiceName",
        TEXT,
        "ECS service that started the task. Null for a task on its own.",
        key="ecs-service-name",
        since=7,
    ),
    flow_field(
        "ecsTaskDefinitionArn",
        TEXT,
        "Definition of the ECS task, as an ARN with its revision.",
        key="ecs-task-definition-arn",
        since=7,
    ),
    flow_field(
        "ecsTaskArn",
        TEXT,
        "ECS task that has the traffic, as an ARN.",
        key="ecs-task-arn",
        since=7,
    ),
    flow_field(
        "ecsTaskId",
        TEXT,
        "ECS task that has the traffic, by its ID.",
        key="ecs-task-id",
        since=7,
    ),
    flow_field(
        "rejectReason",
        TEXT,
        "Cause of a REJECT beyond security groups and ACLs: BPA is VPC Block Public Access, EC encryption"
        " controls. Null for any other.",
        key="reject-reason",
        since=8,
        values=frozenset({"BPA", "EC"}),
    ),
    flow_field(
        "resourceId",
        TEXT,
        "Regional NAT gateway of the traffic, such as nat-0123456789abcdef0; interfaceId is then null.",
        key="resource-id",
        since=9,
    ),
    flow_field(
        "encryptionStatus",
        SMALLINT,
        "Encryption of the flow, 0 to 3: 0 none, 1 Nitro System, 2 application, 3 both.",
        key="encryption-status",
        since=10,
    ),
    flow_field(
        "instanceTag",
        TEXT,
        "Value of the first chosen tag of the EC2 instance, percent-encoded.",
        key="instance-tag",
        since=11,
    ),
    flow_field(
        "instanceTag2",
        TEXT,
        "Value of the second chosen tag of the EC2 instance, percent-encoded.",
        key="instance-tag-2",
        since=11,
    ),
    flow_field(
        "interfaceTag",
        TEXT,
        "Value of the first chosen tag of the network interface, percent-encoded.",
        key="interface-tag",
        since=11,
    ),
    flow_field(
        "interfaceTag2",
        TEXT,
        "Value of the second chosen tag of the network interface, percent-encoded.",
        key="interface-tag-2",
        since=11,
    ),
    flow_field(
        "asgTag",
        TEXT,
        "Value of the first chosen tag of the Auto Scaling group, percent-encoded.",
        key="asg-tag",
        since=11,
    ),
    flow_field(
        "asgTag2",
        TEXT,
        "Value of the second chosen tag of the Auto Scaling group, percent-encoded.",
        key="asg-tag-2",
        since=11,
    ),
    flow_field(
        "interfaceType",
        TEXT,
        "Kind of the network interface, such as nat_gateway or vpc_endpoint.",
        key="interface-type",
        since=11,
    ),
    flow_field(
        "nextHopInterfaceId",
        TEXT,
        "Next network interface on the way of an egress flow, such as eni-0123456789abcdef0.",
        key="next-hop-interface-id",
        since=11,
    ),
    flow_field(
        "nextHopSubnetId",
        TEXT,
        "Subnet of the next network interface.",
        key="next-hop-subnet-id",
        since=11,
    ),
    flow_field(
        "nextHopAzId",
        TEXT,
        "Availability zone of the next network interface, by its ID.",
        key="next-hop-az-id",
        since=11,
    ),
    flow_field("nextHopVpcId", TEXT, "VPC of the next network interface.", key="next-hop-vpc-id", since=11),
    flow_field(
        "nextHopInterfaceType",
        TEXT,
        "Kind of the next network interface, such as transit_gateway.",
        key="next-hop-interface-type",
        since=11,
    ),
)
