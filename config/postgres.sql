-- Airflow's own database, beside the one of ledger and catalog. Run once, when the server is new.
CREATE DATABASE airflow;
