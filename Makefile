# One target each for what people do here; .ci/run and the README call these same ones.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NATIVE := src/frames/_native.abi3.so
C_SOURCES := $(filter-out csrc/test_%,$(wildcard csrc/*.c))
C_HEADERS := $(wildcard csrc/*.h)

.PHONY: run test check native bench fuzz clean

run: $(NATIVE)
	$(BIN)/penstock demo

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check cffi setuptools
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[dev]'
	touch $@

# Built aside and moved into place, so that a process that has the old one loaded keeps it.
$(NATIVE): $(C_SOURCES) $(C_HEADERS) csrc/build.py setup.py $(VENV)/ready
	$(BIN)/python setup.py --quiet build_ext --build-lib build/lib --build-temp build/temp
	cp build/lib/frames/_native.abi3.so $@.new && mv $@.new $@

native: $(NATIVE)

clean:
	rm -rf build dist $(VENV) $(NATIVE) src/*.egg-info
