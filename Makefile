# parlevel: `make` alone lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV ?= .venv
BIN := $(VENV)/bin
CONFIG ?= --config conf/base.yaml --config conf/local.yaml
PYTEST := $(BIN)/python -m pytest
export VENV SPARK_LOCAL_IP := 127.0.0.1

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: env
env: ## the virtual environment alone (no Java needed)
	@scripts/setup_env.sh --no-jars

.PHONY: setup
setup: ## environment with pinned packages, Delta jars; instant the second time
	@scripts/setup_env.sh

.PHONY: run
run: setup ## the main job on real sales: order plans in warehouse/, a report, KPIs (try ARGS="--force")
	@$(BIN)/python -m parlevel.doctor --quiet
	@$(BIN)/parlevel run $(CONFIG) $(ARGS)

.PHONY: report
report: setup ## write the HTML report of the last run again
	@$(BIN)/parlevel report $(CONFIG) $(ARGS)

# Without Spark two tests run at a time; with it one, since a session takes both cores. A selection
# in ARGS may leave one of the two parts empty (pytest's exit status 5), no selection may not.
TESTS_NO_SPARK = $(PYTEST) -q -n 2 --dist loadfile $(ARGS) -m
TESTS_SPARK = $(PYTEST) -q $(ARGS) -m
MAY_BE_EMPTY = || [ $$? = 5 -a -n "$(ARGS)" ]

.PHONY: test
test: setup ## every test but the slow ones (at most 30 minutes on 2 cores)
	@$(BIN)/python -m parlevel.doctor --quiet
	@$(TESTS_NO_SPARK) "not spark and not slow" $(MAY_BE_EMPTY)
	@$(TESTS_SPARK) "spark and not slow" $(MAY_BE_EMPTY)

.PHONY: test-fast
test-fast: env ## the tests that need no Java (under 2 minutes)
	@$(TESTS_NO_SPARK) "not spark and not slow"

.PHONY: test-all
test-all: setup ## every test
	@$(TESTS_NO_SPARK) "not spark" $(MAY_BE_EMPTY)
	@$(TESTS_SPARK) "spark" $(MAY_BE_EMPTY)

.PHONY: lint
lint: env ## ruff, format, types, doors between the rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: format
format: env ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: doctor
doctor: env ## look at Java, jars, memory, disk, versions, ports
	@$(BIN)/python -m parlevel.doctor

.PHONY: wheel
wheel: env ## the wheel for clusters, in dist/
	@rm -rf build lib/parlevel.egg-info
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation -w dist .

.PHONY: clean
clean: ## remove what runs and tests made; keeps the environment and the jars
	rm -rf warehouse spark-warehouse metastore_db derby.log build dist lib/*.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find lib jobs tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
