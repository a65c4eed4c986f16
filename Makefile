# Two commands to a running system: make demo; make test. Everything else on this page serves them.
# Needs Python 3.11 to 3.14 with venv, and make. What is installed goes to .venv, from requirements.lock.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
.DEFAULT_GOAL := help
.PHONY: help setup demo test soak lint bench lock clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile

setup: $(STAMP)  ## the environment in .venv, every package checked against its hash

demo: setup  ## the whole system on a made-up world, nothing to configure
	@$(BIN)/earmark demo $(ARGS)

test: setup  ## all tests but the long ones; ARGS="-k name" narrows
	$(BIN)/pytest -m "not soak" -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

soak: setup  ## the long runs
	$(BIN)/pytest -m soak --timeout=7200 $(ARGS)

lint: setup  ## style, format, import contract, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: setup  ## the figures of docs/measurements.md
	$(BIN)/python -m benchmarks $(ARGS)

lock:  ## resolve pyproject.toml anew into requirements.lock
	.ci/lock

clean:  ## forget the environment
	rm -rf $(VENV)

# --only-binary: no package's build script runs here. The project itself is installed last, without dependencies and
# with the setuptools of the lock, so that nothing is fetched past the lock.
$(STAMP): requirements.lock pyproject.toml
	@.ci/venv $(VENV)
	$(PIP) install --quiet --require-hashes --only-binary=:all: -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --no-index --editable .
	$(BIN)/python -m compileall -q config connectors console domain storage workers  # where writing bytecode is off, each start would compile
	@touch $(STAMP)
