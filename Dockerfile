# Airflow with vpclogs in it. Used by docker-compose.yaml.
ARG AIRFLOW_IMAGE=apache/airflow:slim-3.3.2-python3.12
FROM ${AIRFLOW_IMAGE}

WORKDIR /opt/vpclogs
COPY --chown=airflow:0 requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt
COPY --chown=airflow:0 pyproject.toml requirements.in README.md ./
COPY --chown=airflow:0 include ./include
COPY --chown=airflow:0 plugins ./plugins
# Without isolation the build uses the setuptools of requirements.txt and asks no registry.
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

# The packages are installed; what Airflow loads by file are the DAGs and the plugin's entry.
COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 plugins/vpclogs_plugin.py /opt/airflow/plugins/vpclogs_plugin.py
WORKDIR /opt/airflow
# New volumes take their owner from these folders.
RUN mkdir -p logs passwords warehouse && chmod 700 passwords
