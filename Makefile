# Two commands from a fresh clone: `make demo` shows what convcost does, `make test` checks that it is right.

PYTHON ?= python3
DEMO := .venv-demo
DEV := .venv

.PHONY: demo test lint check bench clean

demo: $(DEMO)/ready
	$(DEMO)/bin/convcost analyze specs/mobilenet_v1.yaml

test: $(DEV)/ready
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports
	$(DEV)/bin/pytest -n auto

bench: $(DEV)/ready $(DEMO)/ready
	$(DEV)/bin/python benchmarks/run.py --convcost $(DEMO)/bin

# The package alone, as a user installs it: neither torch nor numpy comes along.
$(DEMO)/ready: pyproject.toml $(shell find convcost specs -type f -not -path '*/__pycache__/*')
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/pip install --quiet --disable-pip-version-check .
	touch $@

# The development set, pinned.
$(DEV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[torch,dev]'
	touch $@

clean:
	rm -rf $(DEMO) $(DEV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
