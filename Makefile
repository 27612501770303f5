# Two commands do everything on a machine with python3 and make: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
EXTRAS ?= lab,cluster,dev
STAMP  := $(VENV)/.make-stamp

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint conformance conformance-lab calibrate validate bench bench-peers pages lock wheel clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "asnsim needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

setup: $(STAMP) ## create the environment and install asnsim with its extras

demo: $(STAMP) ## run the main job: dose, fit, measure, quantify, fit back; results in demo_output/
	$(BIN)/asnsim demo --out demo_output

lint: $(STAMP) ## ruff and the three import contracts
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

test: lint ## lint, then all tests
	$(BIN)/python -m pytest

conformance: $(STAMP) ## long suites; one TOTAL line each
	$(BIN)/python tests/conformance/run.py

conformance-lab: $(STAMP) ## the laboratory's round trip, judged line by line
	$(BIN)/python tests/conformance/lab.py

calibrate: $(STAMP) ## fit the models' weakly known numbers to the calibrate observations; writes them into models/ (a quarter of an hour)
	$(BIN)/asnsim calibrate --write
	$(BIN)/python -m asnsim.io.pages

validate: $(STAMP) ## simulate every published observation; writes models/validation.md and its figure
	$(BIN)/asnsim validate --report models/validation.md --figure examples/figures/validation.png

bench: $(STAMP) ## coverage of fitted kinetics; speed against every peer that is installed
	$(BIN)/python benchmarks/bench_recovery.py
	$(BIN)/python benchmarks/bench_lab.py
	$(BIN)/python benchmarks/bench_solve.py
	$(BIN)/python benchmarks/bench_sensitivity.py
	$(BIN)/python benchmarks/bench_ensemble.py
	$(BIN)/python benchmarks/bench_population.py
	$(BIN)/python benchmarks/bench_compile.py
	$(BIN)/python benchmarks/bench_petab.py
	$(BIN)/python benchmarks/bench_petab.py --fits
	$(BIN)/python benchmarks/bench_coverage.py

bench-peers: $(STAMP) ## install AMICI, COPASI and numbalsoda beside the environment, for make bench; says what could not be
	$(BIN)/python benchmarks/peers/install.py

pages: $(STAMP) ## print models/*.ant again from the recipes
	$(BIN)/python -m asnsim.io.pages

lock: $(STAMP) ## write constraints.txt from what is installed now
	$(BIN)/python -m pip freeze --exclude-editable --disable-pip-version-check | grep -v -E '@ file|^-e' > constraints.part
	mv constraints.part constraints.txt

wheel: $(STAMP) ## build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

clean: ## remove the environment and everything made
	rm -rf $(VENV) demo_output dist .pytest_cache .ruff_cache .hypothesis benchmarks/peers/.venv benchmarks/peers/.build benchmarks/peers/beside
