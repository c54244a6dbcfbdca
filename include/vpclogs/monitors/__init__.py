"""Monitors: hourly comparison of published data with the normal pattern of each VPC and flow log."""
