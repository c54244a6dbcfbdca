"""Monitors: what is published, looked at by the hour against what is normal for each VPC and flow log."""
