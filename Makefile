# Everything is installed into .venv and runs from there. `make` alone says what there is.
PYTHON ?= python3
PYTEST_FLAGS ?=
# Two processes on two cores, each with one thread; PARALLEL= runs the tests one after the other.
PARALLEL ?= -n auto --dist loadscope

PY := .venv/bin/python
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest $(PARALLEL)
QUICK := $(addprefix tests/,core conventions/test_layering.py conventions/test_tree.py \
	export/checkpoints export/reduction runtime/benchmark runtime/evaluation runtime/inference \
	runtime/media runtime/onnx_reader runtime/system)
# Built with the pinned setuptools in .venv, not with whatever is newest today.
INSTALL := $(PY) -m pip install --disable-pip-version-check --no-build-isolation \
	--constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-quick test-all test-slow test-exhaustive test-tensorrt test-cuda test-board bench-gpu lint clean
# All of these install into the same .venv.
.NOTPARALLEL:

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: .venv/.demo ## set up, export the bundled checkpoint with and without merging, run both
	$(PY) -m examples.demo

test: lint ## set up, check the style and the types, run the tests (but for the slow ones)
	$(PYTEST) -m "not slow and not exhaustive" $(PYTEST_FLAGS)

test-quick: .venv/.dev ## the tests that need no export and no engine: a minute
	$(PYTEST) -m "not slow and not exhaustive" $(PYTEST_FLAGS) $(QUICK)

test-all: test test-slow ## the slow ones and those of all pages too

test-slow: lint ## the slow tests alone
	$(PYTEST) -m "slow and not exhaustive" $(PYTEST_FLAGS)

test-exhaustive: .venv/.dev ## the rest of the matrices of both, by hand
	$(PYTEST) -m exhaustive $(PYTEST_FLAGS)

test-tensorrt: .venv/.dev ## fetch the real TensorRT, load the plugins into it (Maven, cargo, CMake)
	$(PY) -m tests.trt_plugins.tensorrt.fetch
	$(PY) -m pytest $(PYTEST_FLAGS) tests/trt_plugins/tensorrt

test-cuda: .venv/.dev ## fetch nvcc, compile the kernels for every GPU
	CUDA_HOME="$$($(PY) -m tests.trt_plugins.tensorrt.fetch toolkit)" \
		$(PY) -m pytest $(PYTEST_FLAGS) tests/trt_plugins/cuda

test-board: .venv/.dev ## fetch a board's userland, run the runtime in it, emulated (apt, Maven)
	$(PY) -m tests.board.userland
	OMP_NUM_THREADS=1 $(PY) -m pytest $(PYTEST_FLAGS) tests/board

test-gpu: .venv/.dev ## the kernels' tests and compute-sanitizer on the GPU at hand
	$(PY) -m benchmarks.gpu --tests --out build/test-gpu

bench-gpu: .venv/.dev ## build with nvcc, test and time the kernels and networks on the GPU at hand
	$(PY) -m benchmarks.gpu --out build/bench-gpu

lint: .venv/.dev ## check the style and the types alone
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

clean: ## remove what make and the tools wrote, except .venv
	rm -rf build dist demo .mypy_cache .pytest_cache .ruff_cache .hypothesis src/segpp.egg-info
	find . -path ./.venv -prune -o -name __pycache__ -prune -exec rm -rf {} +

.venv/.demo: .venv/.made pyproject.toml setup.py constraints.txt
	$(INSTALL) --editable '.[export,cpu]'
	@touch $@

.venv/.dev: .venv/.made pyproject.toml setup.py constraints.txt
	$(INSTALL) --editable '.[dev,cpu]'
	@touch $@ .venv/.demo

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo \
	'segpp needs Python 3.10 or newer as $(PYTHON); name another: make PYTHON=python3.12' >&2; exit 2; }
	$(PYTHON) -m venv --clear .venv
	$(INSTALL) --quiet pip setuptools wheel
	@touch $@
