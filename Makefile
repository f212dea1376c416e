# Everything that a person or CI does with this project. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
DOCS := .venv-docs/ready

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 14

$(READY): requirements.txt pyproject.toml redshift_local/pyproject.toml $(wildcard copy_decoder/*.py copy_decoder/src/*/*.c)
	@echo "Setting up .venv (two minutes the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# pip compiles on one processor only. Some packages hold files of other Pythons, which do not compile, or tests, which nobody runs.
	@$(BIN)/pip install -qq --no-compile --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -W ignore -m compileall -qq -j 0 -x '/tests/|/sympy/' .venv/lib || true
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e . -e ./redshift_local
	@# C. Without a compiler everything works, and a reading of Postgres takes twice the processor time.
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation ./copy_decoder 2>/dev/null || \
	echo "copy_decoder was not built, as that needs a C compiler and Python's headers: Postgres is read in text format."
	@touch $@

run: $(READY) ## Run the main job from end to end on the local stack: seed, sync, change, sync again, prove
	@$(BIN)/stori demo

test: $(READY) ## Run every test
	@# Three processes, each with a local stack of its own: on two cores two would wait for a fifth of the time. By files, because the tests
	@# of a file share their set-up.
	@# A process that crashes ends the run: pytest-xdist would start another and wait for ever for the tests of the first.
	@$(BIN)/pytest -n 3 --dist loadfile --max-worker-restart 0

test-long: $(READY) ## Run the random searches with new examples and more of them, and the repeated kills at length
	@TESTS_LONG=1 $(BIN)/pytest -n 2 --dist loadfile --max-worker-restart 0 --timeout 3600 $$(grep -rlE --include='test_*.py' 'import extent|hypothesis import' stori_pipeline_tests redshift_local/tests copy_decoder/tests)

test-clock: $(READY) ## Run the tests that depend on the date at other times: on 29 February in a year or more, before midnight, in a zone where it is next month
	@$(BIN)/python -m stori_pipeline_tests.moments

coverage: $(READY) ## Run every test and measure which lines they run; fails below the floor in pyproject.toml
	@$(BIN)/pytest -n 3 --dist loadfile --max-worker-restart 0 --cov --cov-report=term:skip-covered

dev: $(READY) ## Serve the Dagster UI, with sensors and schedules on
	@$(BIN)/stori up && DAGSTER_HOME="$(CURDIR)" exec $(BIN)/dagster dev

check: $(READY) ## Check style, format, types, import floors and the Dagster definitions
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@# mypy takes half a minute on one processor, so the rest runs beside it.
	@# Not `dg check defs`, which starts a server for the definitions and takes twice as long.
	@$(BIN)/mypy & types=$$!; \
	$(BIN)/lint-imports && $(BIN)/python -c "from dagster import Definitions; from stori_pipeline.definitions import defs; Definitions.validate_loadable(defs)"; \
	others=$$?; wait $$types && exit $$others

bench: $(READY) ## Measure the pipeline against a raw COPY of the same run; with PEERS=1 also dlt and rivet
	@$(BIN)/python -m stori_pipeline_tests.bench run $(if $(PEERS),--peers) $(ARGS)

bench-latency: $(READY) ## Measure how long a change takes from its commit in a source to the warehouse, while applications write
	@$(BIN)/python -m stori_pipeline_tests.bench latency $(ARGS)

bench-idle: $(READY) ## Measure what 1,000 quiet tables cost, and how long their definitions take; with ARGS=--scheduled a run of the schedule, too
	@$(BIN)/python -m stori_pipeline_tests.bench idle $(ARGS)

golden: $(READY) ## Rewrite the golden files; read the diff before committing it
	@GOLDEN=rewrite $(BIN)/pytest -q -k golden

$(DOCS): requirements-docs.txt
	@test -x .venv-docs/bin/python || $(PYTHON) -m venv .venv-docs
	@.venv-docs/bin/pip install -qq --disable-pip-version-check --require-hashes -r requirements-docs.txt
	@touch $@

docs: $(DOCS) ## Build the documentation as a site in site/; a warning is an error
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet && echo "The site is in site/; \`.venv-docs/bin/mkdocs serve\` shows it."

wheels: $(READY) ## Build the distributions in dist/, and try the wheels in an environment and a folder that hold nothing else
	@rm -rf dist && $(BIN)/python -m hatchling build -d dist >/dev/null && cd redshift_local && ../$(BIN)/python -m hatchling build -d ../dist >/dev/null
	@# Only its source: a package index takes no wheel that was built against this machine's C library.
	@cd copy_decoder && ../$(BIN)/python -c "from setuptools.build_meta import build_sdist; build_sdist('../dist')" >/dev/null
	@empty=$$(mktemp -d) && trap 'rm -rf "$$empty"' EXIT && \
	sed -nE 's/^([A-Za-z0-9._-]+)(\[[^]]*\])?(.*) \\$$/\1\3/p' requirements.txt >"$$empty/pins" && \
	$(BIN)/python -m venv "$$empty/venv" && \
	"$$empty/venv/bin/pip" install -qq --disable-pip-version-check --find-links dist -c "$$empty/pins" 'stori-pipeline[local,api,charts]' && \
	cd "$$empty" && venv/bin/stori --version && venv/bin/redshift-local --help >/dev/null && venv/bin/stori init shop && \
	cd shop && ../venv/bin/dagster definitions validate && ../venv/bin/stori up && { ../venv/bin/stori sync; done=$$?; ../venv/bin/stori down; exit $$done; }

clean: ## Stop the local stack, and remove everything that it and the builds made
	@test ! -x $(BIN)/stori || $(BIN)/stori down
	@rm -rf .stori .env .venv .venv-docs .venv-peers site dist copy_decoder/build htmlcov .coverage* bench.json bench-latency.json bench-idle.json .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis storage history schedules logs .logs_queue .nux .telemetry

.PHONY: help run test test-long test-clock coverage dev check bench bench-latency bench-idle golden docs wheels clean
