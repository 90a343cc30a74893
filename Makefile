# make demo   a first look: contextual vectors tell the senses of a word apart
# make check  linters, types, and the tests that show the numbers and the contract; a minute and a half
# make test   linters, types, all tests but the long ones: what CI runs; < 10 minutes on two cores
# make soak   every test, the long ones (trainings killed many times, whole projects) and those that
#             need other libraries or a browser too; about half an hour
# make bench  the tables of the performance section, and this package against an earlier commit of it
#             (ARGS="--full" for every size; ARGS="--only comparison" for some parts)
# make docs   the documentation site, in site/; needs no network
# make notebooks   executes the notebooks of docs/notebooks and stores their outputs; a minute
# make wheel  sdist and wheel, in dist/: built, checked, the wheel installed into a new environment,
#             and the README's first lines run there; about four minutes, most of them for PyTorch.
#             (It is for machines like this one: of Linux, an index takes those of cibuildwheel only)
#
# make gpu-pack    a prepared corpus into parts, to be sent to a machine with a GPU
# make gpu         there: tests on CUDA, figures, and a pretraining of GPU_SECONDS; needs PyTorch,
#                  numpy and safetensors only (pytest, hypothesis and pytest-timeout for the tests)
# make gpu-unpack  the weights that came back, as a native directory
#
# make help   this text
#
# All but gpu and help make .venv with the pinned versions of constraints.txt when it is not there
# yet, which takes some minutes more.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Numbers of the original implementations and of the oracle, files of earlier versions, the component
# and what it puts on Docs.
CHECKS = tests/goldens tests/bilm/test_against_oracle.py tests/bilm/test_goldens.py \
	tests/reference tests/compat tests/pipeline/test_component.py tests/pipeline/doc
# Processes that share the tests; each uses all cores for its products.
WORKERS ?= 2
# What single tests need, and are skipped without: other readers and writers, a browser's
# driver (it uses the Chromium of the system).
SOAK_TOOLS = gensim playwright scikit-learn "ray[data]"
TEST_TOOLS = build hypothesis mypy pytest pytest-timeout pytest-xdist ruff sphinx myst-nb furo ipykernel nbclient pyarrow crc32c pandas
WHEEL_TOOLS = build twine

GPU_PYTHON ?= python3
GPU_SECONDS ?= 480
GPU_CONFIG ?= configs/pretrain_en_md.json
# Weights to start from; none: random ones.
GPU_INIT ?=
GPU_PARTS ?= build/gpu/parts
GPU_WORK ?= build/gpu/work
GPU_OUT ?= build/gpu/en_elmo_md
CORPUS ?= corpus/train
HELDOUT ?= corpus/heldout
MODEL ?= build/en_elmo_md

.PHONY: demo check numbers test soak lint help bench docs wheel notebooks gpu gpu-test gpu-bench gpu-train gpu-pack gpu-unpack

demo: $(VENV)/.installed
	$(BIN)/python examples/demo.py $(ARGS)

# Side by side, and the tests shared out: a minute and a half on two cores, not two and a half.
check: $(VENV)/.test-tools
	$(MAKE) --no-print-directory -j 2 lint numbers

numbers: $(VENV)/.test-tools
	$(BIN)/pytest -q -n $(WORKERS) $(CHECKS) $(ARGS)

test: $(VENV)/.test-tools lint
	$(BIN)/pytest -n $(WORKERS) $(ARGS)

soak: $(VENV)/.soak-tools
	$(BIN)/pytest -m "soak or not soak" $(ARGS)

lint: $(VENV)/.test-tools
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.test-tools
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --doctree-dir build/doctrees docs site
	@rm -rf jupyter_execute  # copies of the notebooks, which MyST-NB puts beside a site

notebooks: $(VENV)/.test-tools
	$(BIN)/python -m tests.docs.notebooks $(ARGS)

# The wheel is built from the sdist, so that this one is known to hold all that is needed.
wheel: $(VENV)/.wheel-tools
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python -m tests.installed dist/*.whl

gpu: gpu-test gpu-bench gpu-train

gpu-test:
	$(GPU_PYTHON) -m pytest -q tests/pretraining/gpu -k "cuda or triton"

gpu-bench:
	$(GPU_PYTHON) -m benchmarks.gpu $(GPU_PARTS)

gpu-train:
	$(GPU_PYTHON) -m spacy_elmo.pretraining.gpu train $(GPU_PARTS) $(GPU_WORK) $(GPU_OUT) \
		--config $(GPU_CONFIG) --seconds $(GPU_SECONDS) $(if $(GPU_INIT),--init $(GPU_INIT))

gpu-pack: $(VENV)/.installed
	$(BIN)/python -m spacy_elmo.pretraining.gpu pack $(CORPUS) $(GPU_PARTS) --heldout $(HELDOUT)

gpu-unpack: $(VENV)/.installed
	$(BIN)/python -m spacy_elmo.pretraining.gpu unpack $(GPU_OUT)/*.tar.* $(MODEL)

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

$(VENV)/.wheel-tools: $(VENV)/.installed
	$(PIP) $(WHEEL_TOOLS)
	touch $@

$(VENV)/.soak-tools: $(VENV)/.test-tools
	$(PIP) $(SOAK_TOOLS)
	touch $@
