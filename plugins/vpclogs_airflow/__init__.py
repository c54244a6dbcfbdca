"""Where Airflow meets the library: graph, clients, assets, and which errors are worth a retry.

Airflow parses DAG files every few seconds, so what they import at module level
(`graph`, `assets`, `defaults`) does no I/O and loads no data libraries.
"""
