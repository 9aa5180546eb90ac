# auxtui: every target works alone on a fresh machine with Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
DEMO_DIR ?= demo
# Three workers on the two cores that the suite is judged on: much of a test is waiting for a disk, a clock or a server.
WORKERS := -n 3 --dist worksteal
PYTEST := $(BIN)/python -m pytest

.PHONY: help demo test lint bench bench-report bench-remote meter soak crash screenshots snapshots lock clean

help:
	@echo "make demo         set up, run the demo CommCell and watch its copy in the console"
	@echo "make test         set up, run every test"
	@echo "make lint         ruff, mypy strict, import contracts"
	@echo "make bench        measure against cp, rsync, rclone, fio and b3sum"
	@echo "make bench-report draw what was measured"
	@echo "make meter        measure the console in a pty: start, bytes a second, keys"
	@echo "make bench-remote measure SFTP against sftp, scp, rsync and rclone"
	@echo "make crash        the short crash, power-cut and fault rounds alone"
	@echo "make soak         the long crash, power-cut and kill-point rounds"
	@echo "make screenshots  draw the pictures of the documentation anew"
	@echo "make snapshots    take over how the console looks now into its tests; look at git diff"
	@echo "make lock         resolve the dependencies anew (needs uv)"

$(VENV)/.runtime: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "auxtui needs Python 3.11 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing auxtui into $(VENV) ..."
	@$(PIP) install --require-hashes --only-binary :all: -r requirements.lock
	@$(PIP) install --no-deps -e .
	@$(BIN)/python -m compileall -q auxtui engine
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.runtime
	@$(BIN)/auxtui demo --dir $(DEMO_DIR)

# Hundreds of services are started: none shall have to compile what it imports, wherever bytecode is not written by itself.
test: $(VENV)/.dev
	@$(BIN)/python -m compileall -q auxtui engine tests bench
	@rm -f .pytest_cache/v/cache/lastfailed
	@$(PYTEST) $(WORKERS) || $(BIN)/python -m tests.again $$?

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# BENCH="one-cold --size 2G" takes one case and less data; `python -m bench.copy --help` tells more.
bench: $(VENV)/.dev
	@$(BIN)/python -m bench.copy --save docs/bench $(BENCH)

bench-report: $(VENV)/.dev
	@$(BIN)/python -m bench.report docs/bench docs/benchmarks.md docs/pictures/bench.svg

meter: $(VENV)/.dev
	@$(BIN)/python -m bench.console

bench-remote: $(VENV)/.dev
	@$(BIN)/python -m bench.remote

# AUXTUI_SEED=n repeats the random moments of a run that failed.
crash: $(VENV)/.dev
	@$(PYTEST) $(WORKERS) tests/faults

soak: $(VENV)/.dev
	@AUXTUI_SOAK=1 $(PYTEST) $(WORKERS) -m soak

screenshots: $(VENV)/.runtime
	@$(BIN)/python docs/make_pictures.py

# What the tests of the console compare its screens with; in one process, as several would drop each other's.
# Whoever takes it over has looked at it.
snapshots: $(VENV)/.dev
	@$(PYTEST) -n 0 -q tests/console/test_every_screen.py --snapshot-update
	@git diff --stat -- tests/console/__snapshots__

lock:
	uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) $(DEMO_DIR) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist
