# One target each for what people do here; .ci/run and the README call these same ones.
#
#   make run     the example platform in this terminal: a gateway, and three services in six processes
#   make test    everything that must pass: check, C tests and fuzz targets under sanitizers, a minute of load, pytest with real clients
#   make check   ruff, mypy --strict, flake8-async
#   make bench   side by side with other gateways; writes benchmarks/results.json
#   make fuzz    the fuzz targets and the property tests for a few minutes (FUZZ_SECONDS for each target)
#   make soak    load for ten minutes (SOAK=24h: for a day) with faults, and a verdict: loadtests/README.md; soak-smoke: a minute
#   make release-check   all of it, and wheel and docs; writes the summary without which .ci/release makes no tag
#
# Needed: Python 3.11 or later, a C compiler, make. On Debian as root, what else is missing is installed with apt-get;
# elsewhere the tests that need a program say that they are skipped, and for want of what.

PYTHON ?= python3
CC ?= cc
FUZZ_SECONDS ?= 40
FUZZ_RUNS ?= 20000
SOAK ?= 10m

# Not the 900s: not every async function here must have a checkpoint, for waiting is what the data path avoids. 114 wants a list of
# functions by name; 124 wants handlers that do not wait to be plain functions, which in an example is a choice to be shown.
ASYNC_RULES := ASYNC1,ASYNC2
ASYNC_IGNORED := ASYNC114,ASYNC124

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-input
NATIVE := src/frames/_native.abi3.so

C_SOURCES := $(filter-out csrc/test_%,$(wildcard csrc/*.c))
C_HEADERS := $(wildcard csrc/*.h)
C_TESTS := $(patsubst csrc/%.c,build/sanitized/%,$(wildcard csrc/test_*.c))
C_OBJECTS := $(patsubst csrc/%.c,build/sanitized/%.o,$(C_SOURCES))
C_FLAGS := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Icsrc -g -O1 -fno-omit-frame-pointer
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

.PHONY: run test check c-test fuzz-test c-test-and-fuzz fuzz bench soak soak-smoke release-check native clean
.DELETE_ON_ERROR:
.SECONDARY:

run: $(NATIVE) $(VENV)/dev-ready
	@$(BIN)/python examples/platform/run.py

# pytest comes last, so that its closing line is the last one; it keeps the tests of a file together, which share what they have started.
test: $(NATIVE) $(VENV)/dev-ready
	.ci/packages test
	$(MAKE) --no-print-directory --jobs=2 check c-test-and-fuzz
	$(MAKE) --no-print-directory soak-smoke
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

check: $(NATIVE) $(VENV)/dev-ready
	$(BIN)/ruff check --quiet --output-format=concise .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy --no-error-summary
	$(BIN)/flake8 --isolated --select=$(ASYNC_RULES) --ignore=$(ASYNC_IGNORED) --exclude=.venv src tests benchmarks examples loadtests

# --- the Python environment -------------------------------------------------------------------------------------------

$(VENV)/ready: pyproject.toml setup.py .ci/packages
	.ci/packages build $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade 'setuptools>=77' 'cffi>=1.17'
	$(PIP) --no-build-isolation --editable .
	touch $@

$(VENV)/dev-ready: $(VENV)/ready
	$(PIP) --no-build-isolation --editable '.[dev]'
	touch $@

# Built aside and moved into place, so that a process that has the old one loaded keeps it.
$(NATIVE): $(C_SOURCES) $(C_HEADERS) csrc/build.py setup.py $(VENV)/ready
	$(BIN)/python setup.py --quiet build_ext --build-lib build/lib --build-temp build/temp
	cp build/lib/frames/_native.abi3.so $@.new && mv $@.new $@

native: $(NATIVE)

# --- C under sanitizers -----------------------------------------------------------------------------------------------

build/sanitized/%.o: csrc/%.c $(C_HEADERS) Makefile
	@mkdir -p $(@D)
	@echo "compile $<"
	@$(CC) $(C_FLAGS) $(SANITIZE) -c $< -o $@

build/sanitized/test_%: build/sanitized/test_%.o $(C_OBJECTS)
	@$(CC) $(SANITIZE) $^ -o $@

# A test that crashes says so by its status; one that checks nothing says so by its last line.
c-test: $(C_TESTS)
	@for test in $(C_TESTS); do \
	    printf '%s: ' "$$(basename $$test)"; \
	    said=$$($$test) || { echo "$$said"; exit 1; }; \
	    echo "$$said" | tail -n 1; \
	    echo "$$said" | tail -n 1 | grep -Eqx '[1-9][0-9]* passed, 0 failed' || exit 1; \
	done

# Beside the checkers, which leave a core idle for most of their time.
c-test-and-fuzz:
	$(MAKE) --no-print-directory c-test
	$(MAKE) --no-print-directory fuzz-test

# The same inputs each time, for a few seconds.
fuzz-test:
	.ci/fuzz runs $(FUZZ_RUNS)

fuzz: $(NATIVE) $(VENV)/dev-ready
	.ci/fuzz seconds $(FUZZ_SECONDS)
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -m hypothesis
	PENSTOCK_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest tests/csrc tests/conformance tests/integration -k "against_h11 or desync or random_streams"

# ----------------------------------------------------------------------------------------------------------------------

bench: $(NATIVE) $(VENV)/dev-ready
	$(BIN)/python -m benchmarks

# Exit code 0: every threshold is held; 1: one is broken; 2: the run proves nothing.
soak: $(NATIVE) $(VENV)/dev-ready
	$(BIN)/python -m loadtests run soak --duration $(SOAK)

soak-smoke: $(NATIVE) $(VENV)/dev-ready
	$(BIN)/python -m loadtests run smoke

# Everything that a version has to pass, one after the other (an hour and more; SOAK=24h make release-check for a release). It writes
# releases/VERSION.md, without which .ci/release makes no tag.
release-check: $(NATIVE) $(VENV)/dev-ready
	SOAK=$(SOAK) FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m loadtests.gate check

clean:
	rm -rf build dist $(VENV) $(NATIVE) src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
