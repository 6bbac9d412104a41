# Everything happens in a virtual environment of the project's own; `make VENV=/elsewhere` puts it elsewhere.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin

.PHONY: serve lake test check bench requirements dachs lock clean
serve: $(VENV)/.run
	$(BIN)/penstock serve $(ARGS)

# A real Rucio with storage, files and moving rules, for trying things out; Ctrl-C ends it.
lake: $(VENV)/.dev
	$(BIN)/python -m tests.support.rucio $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python -m bench $(ARGS)

# docs/requirements.md, from the tables in tests/requirements, the tests' marks and the code's citations.
requirements: $(VENV)/.dev
	$(BIN)/python -m tests.requirements

# The conformance suite on GAVO's DaCHS, installed on this machine: docs/dachs.md. Needs root and Debian.
dachs: $(VENV)/.dev
	bash tests/peers/dachs.sh $(BIN)

# New versions are taken on purpose only: this writes them down for everybody.
lock:
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --upgrade \
		pyproject.toml -o requirements/run.lock
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --upgrade \
		pyproject.toml --group dev -o requirements/dev.lock

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Compiled modules, see hatch_build.py.
COMPILED := hatch_build.py $(wildcard */*/*.pyx)

$(VENV)/.run: $(BIN)/python pyproject.toml requirements/run.lock $(COMPILED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/run.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml requirements/dev.lock $(COMPILED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

clean:
	rm -rf $(VENV) $(wildcard */*/*.so) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
