"""Declarative field tables, the source of parsers, tables and documentation."""

from vpclogs.partitions import LogType
from vpclogs.schemas.model import TIMESTAMP, Field, Indicator, LogSchema

__all__ = ["TIMESTAMP", "Field", "Indicator", "LogSchema", "schema_for"]


def schema_for(log_type: LogType) -> LogSchema:
    """Return the field table of a log."""
    if log_type is LogType.VPC_DNS:
        from vpclogs.schemas.vpc_dns import VPC_DNS

        return VPC_DNS
    from vpclogs.schemas.vpc_flow import VPC_FLOW

    return VPC_FLOW
