# Two commands for a newcomer: `make demo` and `make test`. Each does its own set-up.
# The same version as python3, built with optimisation where there is one.
PYTHON ?= $(or $(shell python3 deploy/choose_python.py),python3)
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
# Tests run in so many processes, each with a broker and a ClickHouse of its own.
WORKERS ?= 2
ROUNDS ?= 20
SEED   ?= 1

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test look lint setup bench faults clean

demo: setup
	$(BIN)/userprism demo $(ARGS)

test: $(VENV)/.dev $(VENV)/.ready
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

# Every page in Chromium, light, dark and on a phone; its pictures are kept in ci-output/pages.
look: $(VENV)/.dev $(VENV)/.ready
	tests/browser/setup.sh $(VENV)
	$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy

setup: $(VENV)/.ready

bench: $(VENV)/.dev $(VENV)/.ready
	$(BIN)/userprism bench pipeline $(ARGS)

# Every fault, at length: ROUNDS of kill -9 anywhere, a tenth as many of each other fault, or less; a failing SEED can be run again.
faults: $(VENV)/.dev $(VENV)/.ready
	$(BIN)/python -m pytest -m long
	$(BIN)/python -m tests.faults --rounds $(ROUNDS) --seed $(SEED) $(ARGS)

clean:
	rm -rf $(VENV) .userprism

# The packages, the text encoder as ONNX, and numba's cache: nothing of this is left for the first event to wait for.
$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[cpu,embedded]'
	$(BIN)/python -m encoders.export
	$(BIN)/python -m streams.warmup
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[cpu,embedded,dev]'
	touch $@
