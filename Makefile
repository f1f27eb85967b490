# make lab    set everything up and open the course
# make test   set everything up and prove that it works
#
# Everything is installed into .venv; nothing elsewhere is touched. A Linux machine without an NVIDIA card saves
# gigabytes with PyTorch's CPU wheels: see README.md, "Smaller set-up".

# The first Python on the path that the course supports (3.11 to 3.13); PYTHON=/path/to/python overrules.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --progress-bar off
export HF_HUB_OFFLINE := 1

.PHONY: lab test lint setup setup-test clean

lab: setup
	@$(BIN)/softlabels lab $(LAB)

test: setup-test
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet .
	@$(BIN)/python -m pytest $(PYTEST)

lint: setup-test
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

setup: $(VENV)/ready-lab
	@$(BIN)/softlabels fetch all

setup-test: $(VENV)/ready-test
	@$(BIN)/softlabels fetch all

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 was found on the path. Install one, or say: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/ready-lab: pyproject.toml | $(BIN)/python
	@echo "Setting up the course in $(VENV) (a few minutes the first time) ..."
	@$(PIP) -e .
	@touch $@

$(VENV)/ready-test: pyproject.toml | $(BIN)/python
	@echo "Setting up the course and its tests in $(VENV) (a few minutes the first time) ..."
	@$(PIP) -e '.[test]'
	@touch $(VENV)/ready-lab $@

clean:
	rm -rf $(VENV) data/cache
