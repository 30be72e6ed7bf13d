# Everything a person types. Each target does its own set-up: a machine needs Python 3.11 or newer,
# make, and the package registries.
#   PYTHON=/path/to/python3.11   another interpreter       VENV=folder   another environment

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
export PYTHON VENV

.DEFAULT_GOAL := help
SHELL := /bin/bash

RUNTIME := $(VENV)/.installed-local
TOOLS := $(VENV)/.installed-dev

.PHONY: help
help: ## Show this
	@echo "Takin watches platforms for offers of protected wildlife. Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(TOOLS): requirements/dev.lock requirements/bootstrap.lock pyproject.toml
	@deploy/ci/environment.sh dev
	@touch $(RUNTIME) $@

# An environment for development holds all that a run needs.
$(RUNTIME): requirements/local.lock requirements/bootstrap.lock pyproject.toml
	@if [ -e $(TOOLS) ]; then deploy/ci/environment.sh dev && touch $(TOOLS); else deploy/ci/environment.sh local; fi
	@touch $@

.PHONY: demo
demo: $(RUNTIME) ## Play a set of listings through the whole path; ARGS="--once" ends by itself
	@$(VENV)/bin/takin demo $(ARGS)

.PHONY: demo-atproto
demo-atproto: $(TOOLS) ## Watch reports go from a real AT Protocol network into its moderation desk, and what becomes of them
	@deploy/ci/postgresql.sh
	@deploy/atproto/install.sh
	@$(VENV)/bin/python -m tests.atproto.demo

.PHONY: test
test: $(TOOLS) ## Everything that must hold: lint, types, all tests, the wheel
	@deploy/ci/test.sh

.PHONY: unit
unit: $(TOOLS) ## The quick tests: no broker, no database server; ARGS go to pytest
	@$(VENV)/bin/python -m pytest -q -m "not slow and not kafka and not postgres and not browser and not atproto" $(or $(ARGS),tests/unit tests/contracts tests/golden tests/test_architecture.py)

.PHONY: bench
bench: $(TOOLS) ## Measure the screening beside its limit; ARGS="--quick --listings 1000" for less
	@$(VENV)/bin/python -m tests.bench.screening $(ARGS)

.PHONY: bench-systems
bench-systems: $(TOOLS) ## Measure a screening worker beside plain aiokafka, stock Faust, quixstreams, bytewax
	@deploy/ci/rivals.sh $(VENV)/rivals
	@TAKIN_BENCH_RIVALS=$(VENV)/rivals $(VENV)/bin/python -m tests.bench.systems $(ARGS)

.PHONY: faults
faults: $(TOOLS) ## Harm a whole machine and write deploy/reliability.md; ARGS="--world --minutes 30" as root harms more
	@$(VENV)/bin/python -m tests.faults.system_faults --report deploy/reliability.md $(ARGS)

.PHONY: upgrade-drill
upgrade-drill: $(TOOLS) ## Roll an earlier commit's processes to this tree's, under load; ARGS="COMMIT"
	@deploy/ci/postgresql.sh
	@$(VENV)/bin/python -m tests.faults.upgrade_drill --report deploy/upgrade.md $(ARGS)

.PHONY: lint
lint: $(TOOLS) ## Lint, format check, types, generated files
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/python -m schemas.generate --check
	@$(VENV)/bin/python -m deploy.generate --check

.PHONY: format
format: $(TOOLS) ## Format the code and mend what the linter can
	@$(VENV)/bin/ruff check --fix --quiet . || true
	@$(VENV)/bin/ruff format .

.PHONY: schemas
schemas: $(TOOLS) ## Write the JSON Schemas and the AsyncAPI document from the models
	@$(VENV)/bin/python -m schemas.generate

.PHONY: observability
observability: $(TOOLS) ## Write the page of metrics and the dashboards from their declarations
	@$(VENV)/bin/python -m deploy.generate

.PHONY: excerpt
excerpt: $(RUNTIME) ## Run the demonstration and write its excerpt into the README
	@$(VENV)/bin/python deploy/ci/readme_excerpt.py

.PHONY: screenshots
screenshots: $(TOOLS) ## Take the pictures of the desk's pages in deploy/screenshots again
	@deploy/ci/chromium.sh
	@$(VENV)/bin/python deploy/ci/screenshots.py

.PHONY: lock
lock: $(TOOLS) ## Lock the requirements again; ARGS=--upgrade takes newer versions
	@deploy/ci/lock.sh $(ARGS)

.PHONY: sbom
sbom: $(TOOLS) ## List every package of a production image, with hashes: takin.cdx.json (CycloneDX)
	@deploy/ci/sbom.sh takin.cdx.json

.PHONY: audit
audit: $(TOOLS) ## Ask PyPI for known faults of every locked package; needs a network, so no part of make test
	@$(VENV)/bin/python -m deploy.audit $(ARGS)

.PHONY: clean
clean: ## Remove the environment, caches and local state
	rm -rf $(VENV) .takin .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
