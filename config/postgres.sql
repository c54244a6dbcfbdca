-- A role and a database each for Airflow, ledger and catalog, and a role that only reads the ledger. PostgreSQL's image runs this once, when the server
-- is new, as its superuser; psql takes the passwords from the environment.
\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv ledger_password LEDGER_DB_PASSWORD
\getenv catalog_password CATALOG_DB_PASSWORD
\getenv page_password PAGE_DB_PASSWORD

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE airflow OWNER airflow;
REVOKE ALL ON DATABASE airflow FROM PUBLIC;

CREATE ROLE ledger LOGIN PASSWORD :'ledger_password';
CREATE DATABASE ledger OWNER ledger;
REVOKE ALL ON DATABASE ledger FROM PUBLIC;

CREATE ROLE catalog LOGIN PASSWORD :'catalog_password';
CREATE DATABASE catalog OWNER catalog;
REVOKE ALL ON DATABASE catalog FROM PUBLIC;

REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;

CREATE ROLE page LOGIN PASSWORD :'page_password';
GRANT CONNECT ON DATABASE ledger TO page;
\connect ledger
ALTER DEFAULT PRIVILEGES FOR ROLE ledger GRANT SELECT ON TABLES TO page;
