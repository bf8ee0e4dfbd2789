# `make demo` replays the shipped sample; `make test` runs lint, types and tests. Both set everything up first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
TORCH_VENV ?= .venv-torch
DOCS_VENV ?= .venv-docs
MUTANTS_VENV ?= .venv-mutants
# `make docs EXECUTE=cache` also runs the notebooks, for their outputs; those that have not changed are not run again.
EXECUTE ?= off
# What pip is to install as PyTorch: any build from 2.4 on will do, such as a CPU build that lies on the disk.
TORCH ?= torch==2.13.0
# BLAS threads busy-wait and fight over the cores with the test workers: one each.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# Where PYTHONDONTWRITEBYTECODE is set, each process would compile the sources of an editable install again (0.1 s).
COMPILED := $(BIN)/python -m compileall -q simulator traces

.PHONY: demo test test-slow test-torch bench reliability invariants faults fuzz mutants soak audit compatibility lock docs figures lint types format schema samples clean

demo: $(VENV)/installed
	$(BIN)/simulate --arch zero_skip --trace traces/samples/charlm_t1e-6.npz

test: lint types
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(VENV)/installed-dev
	$(ONE_THREAD) $(BIN)/python -m pytest -m slow

# An environment of its own, so that `make test` shows that nothing else needs PyTorch.
test-torch: $(TORCH_VENV)/installed-torch
	$(ONE_THREAD) $(TORCH_VENV)/bin/python -m pytest -n 2 tests/torch_frontend tests/traces/test_lstm_torch.py \
		"tests/notebooks/test_notebooks.py::test_notebook_runs_and_draws_a_figure[05_your_pytorch_model]"

bench: $(TORCH_VENV)/installed-torch
	OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 PYTHONPATH=tests SKIPSTONE_TORCH_PYTHON=$(TORCH_VENV)/bin/python \
		$(TORCH_VENV)/bin/python -m benchmarks

# RELIABILITY.md from what the long commands below found when they last ran.
reliability: $(VENV)/installed-dev
	PYTHONPATH=tests $(BIN)/python -m reliability

# Figures of "Silent wrongness": random runs, faults put in, the time of checks, outputs in other surroundings. Some 5 minutes.
invariants: $(VENV)/installed-dev
	$(ONE_THREAD) PYTHONPATH=tests $(BIN)/python -m reliability.invariants

# What `make lock` and `make audit` need: uv and pip-audit, in an environment of their own.
TOOLS_VENV ?= .venv-tools
$(TOOLS_VENV)/installed-tools:
	$(PYTHON) -m venv $(TOOLS_VENV)
	$(TOOLS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.8" "pip-audit>=2.9"
	touch $@

# Versions stay as they are where pyproject.toml allows them: `make lock UPGRADE=--upgrade` takes the newest.
UPGRADE ?=
LOCK := $(TOOLS_VENV)/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate \
	--quiet --custom-compile-command "make lock" $(UPGRADE)
lock: $(TOOLS_VENV)/installed-tools
	$(LOCK) --output-file requirements/core.txt
	$(LOCK) --extra dev --constraint requirements/core.txt --output-file requirements/dev.txt

# The lock files installed by their digests, licences, known vulnerabilities.
audit: $(VENV)/installed-dev $(TOOLS_VENV)/installed-tools
	SKIPSTONE_TOOLS=$(TOOLS_VENV)/bin PYTHONPATH=tests:. $(BIN)/python -m reliability.audit

# What of the tests meets other packages, and the sample, with each Python that is here and its lowest and newest packages.
compatibility: $(VENV)/installed-dev $(TOOLS_VENV)/installed-tools
	SKIPSTONE_TOOLS=$(TOOLS_VENV)/bin PYTHONPATH=tests:. nice -n 19 $(BIN)/python -m reliability.compatible

# Kills commands at random and at chosen moments, and looks at what is left: about half an hour.
KILLS ?= 240
faults: $(VENV)/installed-dev
	$(ONE_THREAD) PYTHONPATH=tests $(BIN)/python -m reliability.killing --kills $(KILLS)

# An hour or so: 100,000 points, 50,000 steps, eight sweeps at once; `make soak POINTS=4000 STEPS=2000 SWEEPS=2` tries it.
POINTS ?= 100000
STEPS ?= 50000
SWEEPS ?= 8
soak: $(VENV)/installed-dev
	$(ONE_THREAD) PYTHONPATH=tests nice $(BIN)/python -m reliability.load $(POINTS) $(STEPS) $(SWEEPS)

# Millions of inputs on everything that is read. A run that was ended goes on where it was: build/fuzz/. FUZZ="--minutes 30"
# begins nothing after half an hour, --scale 0.1 tries a tenth, --only traces those surfaces alone.
FUZZ ?=
fuzz: $(VENV)/installed-fuzz
	$(ONE_THREAD) PYTHONPATH=tests nice $(BIN)/python -m reliability.fuzzing $(FUZZ)

# Changes the model's code, one place at a time, and counts what the tests notice: COUNT mutants of each file, which take two or
# three seconds each, one that survives ten and more. FILES="simulator/energy/price.py ..." for some; outcomes stay in build/mutants/ while a source stays.
COUNT ?= 6
mutants: $(MUTANTS_VENV)/installed-mutants
	$(ONE_THREAD) PYTHONPATH=tests:. nice -n 19 $(MUTANTS_VENV)/bin/python -m reliability.mutation --count $(COUNT) $(FILES)

# The site in build/docs/html, and every warning an error; all pages anew (-E), since most are written from the code. In an environment of its own: Sphinx is no small thing.
docs: $(DOCS_VENV)/installed-docs
	SKIPSTONE_DOCS_EXECUTE=$(EXECUTE) $(ONE_THREAD) $(DOCS_VENV)/bin/python -m sphinx -c docs -W --keep-going -q -E \
		-d build/docs/doctrees . build/docs/html
	@echo build/docs/html/docs/index.html

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Those of README.md; the plots are ours, so that whoever changes one makes them again.
figures: $(VENV)/installed
	$(ONE_THREAD) $(BIN)/python docs/images/make.py

schema: $(VENV)/installed
	$(BIN)/python -m simulator.arch.json_schema

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Skipstone needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	$(COMPILED)
	touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	$(COMPILED)
	touch $@ $(VENV)/installed

# Where atheris cannot be had, grammars alone find what there is.
$(VENV)/installed-fuzz: $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[fuzz]" || echo "no atheris: grammars alone"
	touch $@

$(TORCH_VENV)/installed-torch: pyproject.toml
	$(PYTHON) -m venv $(TORCH_VENV)
	$(TORCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(TORCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[dev,torch,apps]"
	$(TORCH_VENV)/bin/python -m compileall -q simulator traces
	touch $@

$(DOCS_VENV)/installed-docs: pyproject.toml
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[docs]"
	touch $@

$(MUTANTS_VENV)/installed-mutants: pyproject.toml
	$(PYTHON) -m venv $(MUTANTS_VENV)
	$(MUTANTS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[dev,mutants]"
	touch $@

clean:
	rm -rf $(VENV) $(TORCH_VENV) $(DOCS_VENV) $(TOOLS_VENV) $(MUTANTS_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
