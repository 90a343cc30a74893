# make demo   a first look: contextual vectors tell the senses of a word apart
# make test   linters, types, the whole test suite
# make bench  the tables of the README's performance section (ARGS="--full" for every size)
#
# Each creates .venv with the pinned versions of constraints.txt when it is not there yet.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TEST_TOOLS = build hypothesis mypy pytest pytest-timeout ruff

.PHONY: demo test bench

demo: $(VENV)/.installed
	$(BIN)/python examples/demo.py $(ARGS)

test: $(VENV)/.test-tools
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest $(ARGS)

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks $(ARGS)

# Compiled kernels are built where there is a C compiler; without one everything works, more slowly.
KERNELS = $(wildcard spacy_elmo/bilm/kernels/*.[ch])

# The build tools come first: without build isolation, pip can fetch no second, unpinned PyTorch.
$(VENV)/.installed: setup.py pyproject.toml constraints.txt $(KERNELS)
	@echo "Installing the pinned versions into $(VENV); PyTorch is large, this takes a while"
	$(PYTHON) -m venv $(VENV)
	$(PIP) setuptools wheel
	$(PIP) --no-build-isolation --editable .
	touch $@

$(VENV)/.test-tools: $(VENV)/.installed
	$(PIP) $(TEST_TOOLS)
	touch $@
