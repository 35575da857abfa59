# Two commands matter: `make up` runs everything on this machine, `make test` tests everything.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOURNEYS := tests/journeys

.DEFAULT_GOAL := help
.PHONY: help install up test test-long check format bench docs requirements clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

install: $(VENV)/installed-base ## build .venv with pinned dependencies

up: install ## run collector, enricher and loader here, with a small demo; Ctrl-C ends it
	@$(BIN)/snowmelt up --demo

test: $(VENV)/installed-dev $(VENV)/installed-trackers ## format, lint, types and all tests, short counts
	$(MAKE) --no-print-directory check
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

test-long: $(VENV)/installed-dev $(VENV)/installed-trackers ## the same with the full counts (50 rounds of kills, all golden cases)
	$(MAKE) --no-print-directory check
	SNOWMELT_TEST_LONG=1 $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

check: $(VENV)/installed-dev ## format, lint and types only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/installed-dev ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/installed-dev ## measure everything on this machine: a table, and benchmarks/results/*.json
	$(BIN)/python -m benchmarks

docs: $(VENV)/installed-dev ## write the parts of docs/ that are made from the program
	PYTHONPATH=. $(BIN)/python tests/rig/reference.py

requirements: $(VENV)/installed-dev ## pin dependencies anew from pyproject.toml, with hashes
	$(call pin,base,--extra build)
	$(call pin,gcp,--extra build --extra gcp)
	$(call pin,dev,--extra build --extra dev --extra gcp)

clean: ## remove .venv and what tools left behind; keeps snowmelt-data
	rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis $(JOURNEYS)/node_modules

# No index address and no machine's own paths in the files: only names, versions and hashes.
define pin
	CUSTOM_COMPILE_COMMAND="make requirements" PIP_FIND_LINKS= $(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras \
		--allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options $(2) \
		--output-file requirements/$(1).txt pyproject.toml
endef

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Snowmelt needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "This Python cannot make virtual environments. On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed-base: requirements/base.txt pyproject.toml | $(BIN)/python
	@echo "Installing pinned dependencies …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/base.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/installed-dev: requirements/dev.txt $(VENV)/installed-base
	@echo "Installing what the tests need …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@touch $@

# The real JavaScript trackers, for the journeys; without npm those tests skip and say so.
$(VENV)/installed-trackers: $(JOURNEYS)/package-lock.json $(JOURNEYS)/package.json | $(BIN)/python
	@if command -v npm >/dev/null; then echo "Installing the JavaScript trackers …"; \
		npm ci --prefix $(JOURNEYS) --loglevel=error --no-audit --no-fund && touch $@; \
	else echo "npm is not installed: journeys with JavaScript trackers will be skipped"; fi
