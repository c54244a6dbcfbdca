"""The demo: an S3 server, a sample of both logs, and Airflow, on this machine alone."""
