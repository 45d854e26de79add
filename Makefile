# `make demo` and `make test` need nothing but Python >= 3.10, make and the package index; they build .venv.
# The rest is for contributors. ARGS goes to the program behind a target: make test ARGS="-k stream -x"

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
# The tests of a file share what is dear to set up, so they stay together until somebody would be idle.
SHARED := --dist=worksteal --durations=15
BROWSE  = $(BIN)/python -m tests.browser.chromium && $(BIN)/python -m pytest tests/browser -n 3 $(SHARED)
PIP    := $(BIN)/python -m pip -qq --disable-pip-version-check install --use-pep517

.PHONY: help demo test test-browser check test-matrix test-frameworks test-clients faults manifest screenshots bench
.PHONY: bench-dashboard bench-throughput soak record clean
.NOTPARALLEL:

help:
	@echo 'make demo         record a few OpenAI calls on this machine and show what was recorded; needs no account'
	@echo 'make test         the test suite, on the newest openai, and the dashboard in a real Chromium'
	@echo 'make test-browser  the latter alone; Chromium is installed where that can be done, else it is skipped'
	@echo 'make check        ruff, mypy, import-linter'
	@echo 'make test-matrix  the test suite on the oldest and newest openai and between: LANES="floor newest"'
	@echo 'make test-frameworks  frameworks on top of openai, each in its own environment: FRAMEWORKS="langchain litellm"'
	@echo 'make test-clients  the official clients of PromptLayer against our server: CLIENTS="python node otel"'
	@echo 'make faults       what is lost when processes end and endpoints fail: the tables of the README'
	@echo 'make manifest     list the methods of the installed openai anew, after a new one or a new patch point'
	@echo 'make screenshots  take the pictures of the README anew, from the demo'
	@echo 'make bench        what recording costs, beside the bare library and other tools: ARGS="--quick"'
	@echo 'make bench-dashboard  how long pages take and what they weigh: ARGS="--rows 1000000"'
	@echo 'make bench-throughput  records a second from one process, one by one and in batches: ARGS=--small'
	@echo 'make soak         an outage of 100,000 records: memory, disk, and whether everything arrives'
	@echo 'make record       record cassettes/ anew'
	@echo 'make clean        remove what the other targets have built'

demo: $(VENV)/.core
	$(BIN)/promptlayer-patch demo $(ARGS)

# What measures is left alone with the machine; the rest is shared among processes, four on two cores, since much
# of the time they wait for programs. The browser has its turn when the others are done: it takes the machine for itself.
test: $(VENV)/.test
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	@failed=0; \
	$(BIN)/python -m pytest -m alone tests/faults || failed=1; \
	$(BIN)/python -m pytest -m "not alone" -n 4 $(SHARED) || failed=1; \
	{ $(BROWSE); } || failed=1; \
	exit $$failed
endif

test-browser: $(VENV)/.test
	@$(BROWSE) $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-matrix: $(VENV)/.made
	$(BIN)/python tests/matrix.py $(LANES) -- $(ARGS)

test-frameworks: $(VENV)/.made
	$(BIN)/python -m tests.frameworks $(FRAMEWORKS) -- $(ARGS)

test-clients: $(VENV)/.made
	$(BIN)/python -m tests.clients $(CLIENTS) -- $(ARGS)

faults: $(VENV)/.test
	$(BIN)/python -m tests.faults.matrix $(ARGS)
	$(BIN)/python -m tests.faults.kills

manifest: $(VENV)/.test
	$(BIN)/python -m tests.manifest.generate

screenshots: $(VENV)/.test
	@$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

bench: $(VENV)/.core
	$(BIN)/python -m benchmarks.overhead $(ARGS)

bench-dashboard: $(VENV)/.test
	$(BIN)/python benchmarks/dashboard.py $(ARGS)

bench-throughput: $(VENV)/.core
	$(BIN)/python benchmarks/throughput.py $(ARGS)

soak: $(VENV)/.test
	$(BIN)/python benchmarks/soak.py $(ARGS)

record: $(VENV)/.test
	$(BIN)/python tests/record.py $(ARGS)

clean:
	rm -rf .venv .venvs .artefacts benchmarks/.environments build dist *.egg-info htmlcov .coverage* \
		.pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache .grimp_cache
	find promptlayer_patch tests examples -type d -name __pycache__ -prune -exec rm -rf {} +

# A stamp for each set of packages, so that a second run needs no index; the larger sets contain the smaller.
$(VENV)/.test: EXTRAS := [test]
$(VENV)/.dev:  EXTRAS := [dev]
$(VENV)/.test: CONTAINED := $(VENV)/.core
$(VENV)/.dev:  CONTAINED := $(VENV)/.core $(VENV)/.test
$(VENV)/.core $(VENV)/.test $(VENV)/.dev: setup.cfg setup.py $(VENV)/.made
	$(PIP) --editable '.$(EXTRAS)'
	@touch $@ $(CONTAINED)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; \
		sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@
