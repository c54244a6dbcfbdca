"""Land AWS VPC DNS query logs and VPC Flow Logs in Apache Iceberg tables, exactly once."""
