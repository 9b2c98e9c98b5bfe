# Needs Python >= 3.11 and make, nothing else. `make run` and `make test` set up .venv by themselves.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
# Tests share the cores of the machine; one file stays with one process.
TEST := $(BIN)/python -m pytest -n $(or $(TEST_PROCESSES),2) --dist loadfile --cov --cov-report=term:skip-covered
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: help run test test-all bench figures lint docs wheel clean

help:
	@echo "make run       set up .venv and run the main job (NCM811 + LATP) offline"
	@echo "make test      set up and run the tests"
	@echo "make test-all  the tests and the long checks"
	@echo "make bench     benchmarks beside the peers"
	@echo "make figures   draw the pictures of the documentation again"
	@echo "make lint      ruff, mypy --strict, import rules"
	@echo "make docs      build the documentation into site/"
	@echo "make wheel     build sdist and wheel into dist/"

.venv: .venv/core

.venv/core: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "cosinter needs Python 3.11 or newer; call make PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing cosinter and its engines into .venv (a minute or two) ..."
	$(PIP) --editable '.[fast]'
	@touch $@

.venv/dev: .venv/core
	@echo "installing test tools into .venv ..."
	$(PIP) --editable '.[cell,design,fast,mp,parquet,dev]'
	@touch $@

.venv/docs: .venv/core
	$(PIP) --editable '.[docs]'
	@touch $@

run: .venv/core
	$(BIN)/cosinter run data/studies/ncm811-latp.yaml --out results/ncm811-latp

test: .venv/dev
	$(TEST) -m "not slow"

test-all: .venv/dev
	$(TEST)

bench: .venv/dev
	$(BIN)/python -m benchmarks

figures: .venv/dev
	$(BIN)/python -m benchmarks.gallery
	$(BIN)/python -m benchmarks.published_case

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/docs
	$(BIN)/mkdocs build --strict

wheel: .venv/dev
	rm -rf build dist
	$(BIN)/python -m build --quiet

clean:
	rm -rf .venv build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache
