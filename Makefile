# Everything a person or CI does with this project. A bare `make` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 12

$(READY): requirements.txt pyproject.toml redshift_local/pyproject.toml
	@echo "Setting up .venv (two minutes the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e . -e ./redshift_local
	@touch $@

run: $(READY) ## Do the main job end to end on the local stack: seed, sync, change, sync again, prove
	@$(BIN)/stori demo

test: $(READY) ## Run every test
	@# Two processes, each with a local stack of its own: much of the time goes by waiting. By files, which share what they set up.
	@# A process that crashes ends the run: with another in its place, pytest-xdist waits for ever for what the first had left.
	@$(BIN)/pytest -n 2 --dist loadfile --max-worker-restart 0

test-clock: $(READY) ## Run the tests that depend on the day at other moments: in 430 days, on 29 February, before midnight, far from UTC
	@$(BIN)/python -m stori_pipeline_tests.moments

dev: $(READY) ## Serve the Dagster UI with the sensor and the schedule on
	@$(BIN)/stori up && DAGSTER_HOME="$(CURDIR)" exec $(BIN)/dagster dev

check: $(READY) ## Lint, format, types, import floors, and the Dagster definitions
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@# Not `dg check defs`, which wants the running instance that dagster.yaml names.
	@$(BIN)/python -c "from dagster import Definitions; from stori_pipeline.definitions import defs; Definitions.validate_loadable(defs)"

bench: $(READY) ## Measure against the raw COPY limit, taken in the same run
	@$(BIN)/python -m stori_pipeline_tests.bench

golden: $(READY) ## Rewrite the golden files; read the diff before committing it
	@GOLDEN=rewrite $(BIN)/pytest -q -k golden

clean: ## Stop the local stack and remove what it and the builds left behind
	@test ! -x $(BIN)/stori || $(BIN)/stori down
	@rm -rf .stori .env .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis storage history schedules logs .logs_queue .nux .telemetry

.PHONY: help run test test-clock dev check bench golden clean
