# `make help` lists the targets. Every path is relative and quoted, so the checkout may lie
# anywhere, spaces included. Tools run as `python -m`: the first line of a script in
# .venv/bin holds an absolute path, which a space breaks.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test full lint docs bench clean

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
VENV_PYTHON := .venv/bin/python
PYTEST := OMP_NUM_THREADS=1 $(VENV_PYTHON) -m pytest -q -n 2 --dist loadfile
PIP_INSTALL := $(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -c constraints.txt

help:  ## show this list
	@sed -nE 's/^([a-z]+):.*  ## (.*)$$/make \1	\2/p' Makefile | expand -t 16

demo: .venv/.installed-core  ## install, then run Proposition 1, train on drawn beetles, write their report
	@$(VENV_PYTHON) cli.py simulate --setting convex --out runs/demo --overwrite
	@$(VENV_PYTHON) cli.py train --dataset beetles --epochs 10 --out runs/demo-beetles --overwrite
	@$(VENV_PYTHON) cli.py evaluate runs/demo-beetles
	@$(VENV_PYTHON) cli.py plot runs/demo-beetles
	@echo "Figures:"; find runs/demo runs/demo-beetles -name '*.svg' -o -name '*.png' | sort
	@$(VENV_PYTHON) cli.py report runs/demo-beetles

# Half of the kernels compile on one core while the other lints and compiles the rest; else both test
# processes would compile all of them.
test: .venv/.installed-dev  ## lint, type check and run the tests, but for the slow ones
	@$(VENV_PYTHON) -c 'from irtheory.trees import warm_up; warm_up("exact")' & \
		$(MAKE) --no-print-directory lint; \
		$(VENV_PYTHON) -c 'from irtheory.trees import warm_up; warm_up("greedy")'; wait $$!
	@$(PYTEST) -m "not slow" --durations=10

full: test  ## the same, then the slow tests: several processes, interruptions, crashes
	@$(PYTEST) -m slow --durations=5

lint: .venv/.installed-dev  ## ruff and pyright only
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m pyright

docs: .venv/.installed-docs  ## draw the figures and build the pages into site/
	@$(VENV_PYTHON) docs/make_commands.py
	@$(VENV_PYTHON) docs/make_figures.py
	@NO_MKDOCS_2_WARNING=1 $(VENV_PYTHON) -m mkdocs build --strict --quiet -f docs/settings/mkdocs.yml
	@echo "Pages: site/index.html"

bench: .venv/.installed-dev .venv/.installed-bench  ## time trees, beside peers, and feature fidelity
	@$(VENV_PYTHON) benchmarks/cart.py
	@$(VENV_PYTHON) benchmarks/fidelity.py
	@$(VENV_PYTHON) benchmarks/exact_trees.py
	@$(VENV_PYTHON) benchmarks/exact_sequences.py

clean:  ## remove everything that the other targets made
	@rm -rf .venv runs site build dist .ruff_cache .pytest_cache .hypothesis ./*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.created:
	@test -n "$(PYTHON)" || { echo "No Python >= 3.11 found: run make with PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv
	@touch $@

.venv/.installed-core: .venv/.created pyproject.toml constraints.txt
	@echo "Installing into .venv (some minutes the first time) ..."
	@$(PIP_INSTALL) -e .
	@touch $@

.venv/.installed-%: .venv/.installed-core
	@echo "Installing the $* extra into .venv ..."
	@$(PIP_INSTALL) -e '.[$*]'
	@touch $@
