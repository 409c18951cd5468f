# Everything that the project needs is installed here: a new machine has git, Python 3.11 or newer, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROVIDERS := $(patsubst %/pyproject.toml,./%,$(wildcard providers/*/pyproject.toml))
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# Two processes: the races start many more of their own.
TESTS := -n 2 --dist loadgroup
# A stricter DynamoDB, for the tests of providers/aws. Without it they skip, and where CI says so they fail.
DYNALITE := .build/npm/node_modules/.bin/dynalite

.PHONY: help demo test system clients check cover lint types soak bench docs clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

$(VENV)/core: pyproject.toml constraints.txt launcher/gc-credhelper $(wildcard providers/*/pyproject.toml)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gc-credhelper needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt -e '.[api,sandbox]' $(addprefix -e ,$(PROVIDERS))
	@touch $@

$(DYNALITE):
	-command -v npm > /dev/null || { apt-get update && apt-get install -y --no-install-recommends nodejs npm; }
	-npm install --silent --no-fund --no-audit --prefix .build/npm dynalite@4.0.0

$(VENV)/dev: $(VENV)/core | $(DYNALITE)
	$(PIP) install -c constraints.txt $$($(BIN)/python tools/dev_requirements.py)
	@touch $@

demo: $(VENV)/core ## print an ExecCredential, obtained over HTTP from the sandbox
	@$(BIN)/gc-credhelper sandbox -- $(BIN)/gc-credhelper token

test: system lint types clients ## everything that CI runs
	$(BIN)/python -m pytest $(TESTS)
	for provider in $(PROVIDERS); do (cd $$provider && $(CURDIR)/$(BIN)/python -m pytest $(TESTS)) || exit; done

system: ## programs that the tests need, with apt-get where that is allowed
	@$(PYTHON) tools/system_packages.py

check: $(VENV)/dev ## the tests of the core alone
	$(BIN)/python -m pytest $(TESTS)

cover: $(VENV)/dev ## the same, and which lines no test ran
	$(BIN)/python -m pytest $(TESTS) --cov --cov-report=term

clients: $(VENV)/dev ## the other tools that the tests of callers run
	$(BIN)/python tools/clients.py

lint: $(VENV)/dev ## ruff and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/dev ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy tests bench tools
	for provider in $(PROVIDERS); do (cd $$provider && $(CURDIR)/$(BIN)/mypy && $(CURDIR)/$(BIN)/mypy tests) || exit; done

soak: $(VENV)/dev ## the races at the counts of the figures (minutes)
	$(BIN)/python -m pytest -m soak -n 0 -s --timeout 1800
	for provider in $(PROVIDERS); do (cd $$provider && $(CURDIR)/$(BIN)/python -m pytest -m soak -n 0 -s --timeout 3600) || [ $$? = 5 ] || exit; done

bench: $(VENV)/dev ## ratios, measured side by side: lists, and hits in every layout that installers make (minutes)
	$(BIN)/python bench/hit.py
	$(BIN)/python tools/clients.py genesys-python
	$(BIN)/python bench/export.py
	$(BIN)/python bench/layouts.py

docs: $(VENV)/dev ## run every command that README and docs show
	$(BIN)/python -m pytest tests/docs

clean: ## forget the environment and what tools left
	rm -rf $(VENV) .build .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
