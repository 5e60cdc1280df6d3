# make setup    .venv with everything pinned in constraints.txt; .venv/bin/regraft is ready
# make demo     set-up, then the main job on embedded data
# make test     set-up, then style, types, import contracts and tests
# make check    the same without the tests
# make slow     the tests that take minutes
# UV_TORCH_BACKEND=auto make setup    lets uv choose the build of PyTorch for this machine (a small one without a GPU)

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: setup demo test check slow constraints

# Compiled bytecode is kept: without it each start of the command line compiles its imports again.
export PYTHONDONTWRITEBYTECODE :=

PYTHON ?= python3
STAMP := .venv/.set-up
UV := .venv/bin/uv

setup: $(STAMP)

# The stamp is written last: an interrupted set-up is taken up again, a finished one is not repeated.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Regraft needs Python 3.11 or newer; name it with make PYTHON=...")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(UV) pip install --python .venv/bin/python --constraint constraints.txt \
		--build-constraint constraints.txt --editable '.[keras,onnx,peft]' --group dev
	touch $@

demo: setup
	.venv/bin/regraft demo

check: setup
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports --cache-dir .import_linter_cache

test: check
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 --dist worksteal

slow: setup
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 -m slow || test $$? -eq 5  # 5: there are none

constraints: setup
	head -3 constraints.txt > constraints.new
	$(UV) pip compile pyproject.toml --extra keras --extra onnx --extra peft --group dev --group build \
		--universal --python-version 3.11 --no-header --no-annotate --upgrade --quiet >> constraints.new
	mv constraints.new constraints.txt
