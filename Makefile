# `make demo` and `make test` need Python 3.11+ and make; everything else they install into .venv.
PYTHON ?= python3
BIN := .venv/bin
OUT ?= runs/demo

.PHONY: help demo test test-fast check format clean

help:  ## Say what each target does.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "rich2sparse needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: .venv/installed  ## Install, then run the whole chain on the synthetic cohorts into runs/demo.
	@# Exit codes from 3 on are verdicts other than PASS: an answer, and no failure of make.
	$(BIN)/python scripts/workflow.py --cohort synthetic --out $(OUT) || test $$? -ge 3

# A worker on each core: threads of their own would only wait for each other, a fifth of the time.
test test-fast: export OMP_NUM_THREADS = 1

test: .venv/installed  ## Install, then run all tests.
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-fast: .venv/installed  ## Install, then run the tests that are not marked slow.
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m 'not slow'

check: .venv/installed  ## Check format, lint and types.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/installed  ## Format, and mend what lint can mend.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## Remove the environment and caches; runs/ stays.
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build *.egg-info
