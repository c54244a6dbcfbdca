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
        "The ARN of the ECS cluster, if the traffic is from a running ECS task.",
        key="ecs-cluster-arn",
        since=7,
    ),
    flow_field(
        "ecsClusterName",
        TEXT,
        "The name of the ECS cluster, if the traffic is from a running ECS task.",
        key="ecs-cluster-name",
        since=7,
    ),
    flow_field(
        "ecsContainerInstanceArn",
        TEXT,
        "The ARN of the ECS container instance, if the traffic is from a running ECS task on an EC2 instance.",
        key="ecs-container-instance-arn",
        since=7,
    ),
    flow_field(
        "ecsContainerInstanceId",
        TEXT,
        "The ID of the ECS container instance, if the traffic is from a running ECS task on an EC2 instance.",
        key="ecs-container-instance-id",
        since=7,
    ),
    flow_field(
        "ecsContainerId",
        TEXT,
        "The Docker runtime ID of the first container of the ECS task, if the traffic is from a running ECS task.",
        key="ecs-container-id",
        since=7,
    ),
    flow_field(
        "ecsSecondContainerId",
        TEXT,
        "The Docker runtime ID of the second container of the ECS task, if the task has more than one.",
        key="ecs-second-container-id",
        since=7,
    ),
    flow_field(
        "ecsServiceName",
        TEXT,
        "The name of the ECS service, if the traffic is from an ECS task that a service started.",
        key="ecs-service-name",
        since=7,
    ),
    flow_field(
        "ecsTaskDefinitionArn",
        TEXT,
        "The ARN of the ECS task definition, if the traffic is from a running ECS task.",
        key="ecs-task-definition-arn",
        since=7,
    ),
    flow_field(
        "ecsTaskArn",
        TEXT,
        "The ARN of the ECS task, if the traffic is from a running ECS task.",
        key="ecs-task-arn",
        since=7,
    ),
    flow_field(
        "ecsTaskId",
        TEXT,
        "The ID of the ECS task, if the traffic is from a running ECS task.",
        key="ecs-task-id",
        since=7,
    ),
    flow_field(
        "rejectReason",
        TEXT,
        "Why the traffic was rejected. BPA: VPC Block Public Access. EC: encryption controls of the VPC. "
        "Null for any other reason.",
        key="reject-reason",
        since=8,
        values=frozenset({"BPA", "EC"}),
    ),
    flow_field(
        "resourceId",
        TEXT,
        "The ID of the regional NAT gateway that the traffic belongs to; interfaceId is then null.",
        key="resource-id",
        since=9,
    ),
    flow_field(
        "encryptionStatus",
        SMALLINT,
        "How the traffic is encrypted. 0: not, 1: by the Nitro System, 2: by the application, 3: by both.",
        key="encryption-status",
        since=10,
    ),
    flow_field(
        "instanceTag",
        TEXT,
        "The value of the chosen tag of the instance, percent-encoded.",
        key="instance-tag",
        since=11,
    ),
    flow_field(
        "instanceTag2",
        TEXT,
        "The value of the second chosen tag of the instance, percent-encoded.",
        key="instance-tag-2",
        since=11,
    ),
    flow_field(
        "interfaceTag",
        TEXT,
        "The value of the chosen tag of the network interface, percent-encoded.",
        key="interface-tag",
        since=11,
    ),
    flow_field(
        "interfaceTag2",
        TEXT,
        "The value of the second chosen tag of the network interface, percent-encoded.",
        key="interface-tag-2",
        since=11,
    ),
    flow_field(
        "asgTag",
        TEXT,
        "The value of the chosen tag of the Auto Scaling group, percent-encoded.",
        key="asg-tag",
        since=11,
    ),
    flow_field(
        "asgTag2",
        TEXT,
        "The value of the second chosen tag of the Auto Scaling group, percent-encoded.",
        key="asg-tag-2",
        since=11,
    ),
    flow_field(
        "interfaceType",
        TEXT,
        "The type of the network interface, such as nat_gateway or vpc_endpoint.",
        key="interface-type",
        since=11,
    ),
    flow_field(
        "nextHopInterfaceId",
        TEXT,
        "The ID of the network interface that egress traffic goes to next.",
        key="next-hop-interface-id",
        since=11,
    ),
    flow_field(
        "nextHopSubnetId",
        TEXT,
        "The ID of the subnet of the next network interface.",
        key="next-hop-subnet-id",
        since=11,
    ),
    flow_field(
        "nextHopAzId",
        TEXT,
        "The ID of the Availability Zone of the next network interface.",
        key="next-hop-az-id",
        since=11,
    ),
    flow_field(
        "nextHopVpcId", TEXT, "The ID of the VPC of the next network interface.", key="next-hop-vpc-id", since=11
    ),
    flow_field(
        "nextHopInterfaceType",
        TEXT,
        "The type of the next network interface, such as transit_gateway.",
        key="next-hop-interface-type",
        since=11,
    ),
)
