"""Airflow integration: task graphs, S3 clients, assets, and the errors worth a retry.

Airflow parses DAG files every few seconds, so modules that they import at module level (`graph`, `assets`,
`defaults`) do no I/O and load no data libraries.
"""
