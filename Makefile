# Every target sets up what it needs in .venv; nothing has to be installed before, except Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
# Whoever sits before it sees what is fetched, with bars; a log does not.
PIP := $(BIN)/python -m pip install $(if $(MAKE_TERMOUT),,--quiet) --disable-pip-version-check -c constraints.txt

.PHONY: play test test-full ready kernels pytest train bench lint engine screenshots clean

play: .venv/.play
	$(BIN)/xqlm play

test: ready
	@$(MAKE) --no-print-directory -j2 lint pytest

test-full: ready
	@$(MAKE) --no-print-directory -j2 lint pytest MARKS="slow or not slow"

# Kernels keep one core busy while the rest is installed, and mypy one beside the tests.
ready: .venv/.play engine
	@$(MAKE) --no-print-directory -j2 .venv/.test kernels

# Compiled before the tests, or each of their processes would do so.
kernels: .venv/.play
	@$(BIN)/python -c "from lm import Search; Search().close()"

pytest: .venv/.test kernels
	$(BIN)/python -m pytest -q -n auto --dist loadfile $(if $(MARKS),-m "$(MARKS)")

train: .venv/.train
	$(BIN)/xqlm train

bench: .venv/.bench engine
	for script in $(filter-out benchmarks/make_%,$(wildcard benchmarks/*.py)); do $(BIN)/python $$script || exit 1; done

screenshots: .venv/.test
	$(BIN)/python docs/make_screenshots.py

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The engine that matches and some tests play against; where it cannot be had, those tests say so and are skipped.
engine:
	@if ! PATH="$$PATH:/usr/games" command -v fairy-stockfish >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get install -qq -y fairy-stockfish >/dev/null 2>&1 \
			|| { apt-get update -qq && apt-get install -qq -y fairy-stockfish; } >/dev/null 2>&1 \
			|| echo "fairy-stockfish could not be installed: going on without it"; \
		else echo "fairy-stockfish is not installed: going on without it"; fi; fi

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

# A stamp per set of dependencies, so that the setting up is done once and again only when they change.
.venv/.play: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Setting up in .venv; the first time this takes a minute."
	$(PIP) -e ".[play]"
	@touch $@

.venv/.train: .venv/.play
	$(PIP) -e ".[train]"
	@touch $@

.venv/.test: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Setting up in .venv; the first time this takes a few minutes."
	$(PIP) -e ".[dev]"
	@touch .venv/.play .venv/.train $@

.venv/.bench: .venv/.test
	$(PIP) -e ".[bench]"
	@touch $@
