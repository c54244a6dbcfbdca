# `make demo` and `make test` are all a newcomer needs: each first sets up what it needs in .venv and var/.
# PYTHON=/path/to/python3.12 chooses the interpreter. TESTS="tests/demo -k truth" chooses tests.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
TESTS ?=
LOCK_FLAGS ?=
SBOM ?= var/sbom.json

# Nothing is written to the home folder, and no Airflow but this one is meant.
export AIRFLOW_HOME := $(CURDIR)/var/airflow

.PHONY: help setup demo demo-put demo-down test test-unit test-all lint docs lock sbom bench

help: ## show this list
	@printf 'vpclogs: VPC DNS and flow logs from S3 to an audited Iceberg table, in your own Airflow\n\n'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='|' read -r name text; do \
		printf '%-16s %s\n' "$$name" "$$text"; done

setup: ## make .venv from the locked requirements (the others do it by themselves)
	@.ci/setup

demo: setup ## S3 server, sample logs, Airflow: load them, show counts and queries (some minutes)
	@$(BIN)/python -m demo up

demo-put: setup ## put a log file of your own into the demo's bucket: make demo-put FILE=my.log.gz
	@$(BIN)/python -m demo put "$(FILE)"

demo-down: setup ## stop what the demo started; `rm -r var/demo` forgets its data
	@$(BIN)/python -m demo down

test: setup ## the tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

test-unit: setup ## the tests that start no server (under a minute)
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m unit $(TESTS)

test-all: setup var/readers/venv ## the tests, with the long ones
	@$(BIN)/python -m pytest -m '' -n 2 --dist loadfile $(TESTS)

lint: setup ## style, types and the layers of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy --package demo
	@$(BIN)/lint-imports

docs: setup ## update the generated parts of docs/
	@$(BIN)/python -m tools.docs

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --generate-hashes --only-binary :all:

lock: setup ## compile requirements*.in to requirements*.txt (LOCK_FLAGS=--upgrade for newer versions)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	@$(COMPILE) $(LOCK_FLAGS) requirements.in --output-file requirements.txt
	@$(COMPILE) $(LOCK_FLAGS) requirements-dev.in --constraints requirements.txt --output-file requirements-dev.txt
	@$(COMPILE) $(LOCK_FLAGS) requirements-bench.in --output-file requirements-bench.txt
	@$(COMPILE) $(LOCK_FLAGS) requirements-readers.in --output-file requirements-readers.txt

sbom: setup ## list the packages of requirements.txt, with hashes, as CycloneDX: var/sbom.json
	@mkdir -p $(dir $(SBOM))
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml \
		--output-reproducible --output-file $(SBOM)
	@echo $(SBOM)

bench: setup var/bench/venv ## compare speed and memory with other tools; writes benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks $(BENCH_FLAGS)

var/bench/venv var/readers/venv: var/%/venv: requirements-%.txt
	@$(BIN)/python -m venv $@ && $@/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r $< && touch $@
