# Everything from a bare clone: each target makes .venv if it is missing, and says what it does.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
INPUTS := pyproject.toml constraints.txt
# A stamp is written when an install is whole; without it a venv counts for nothing, and is cleared.
LEAN := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
FULL := $(VENV)/.installed-train
OTHER := $(VENV)-integrations
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet install --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-train test-integrations check bench clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(LEAN) ## route twenty prompts, no key and no network; STRONG=openai:gpt-4o WEAK=ollama:llama3.1 for real models
	@echo "== demo: twenty prompts through LangChain and LlamaIndex"
	@$(BIN)/python -m pointsman demo $(if $(STRONG),--strong "$(STRONG)") $(if $(WEAK),--weak "$(WEAK)") $(ARGS)

test: $(DEV) ## run the tests, sockets blocked; ARGS="-k name" narrows them
	@echo "== test: pytest"
	@$(BIN)/python -m pytest $(ARGS)

test-train: $(FULL) ## the same with torch, transformers and ONNX installed, so that no test of training is skipped
	@echo "== test-train: pytest"
	@$(BIN)/python -m pytest $(ARGS)

test-integrations: $(OTHER)/.installed ## tests of LlamaIndex with its own exporter, Chroma and the instrumentation before 0.6
	@echo "== test-integrations: pytest"
	@$(OTHER)/bin/python -m pytest tests/contract/llamaindex tests/unit/llamaindex $(ARGS)

check: $(DEV) ## lint, formatting, types and import directions
	@echo "== check: ruff check"
	@$(BIN)/ruff check .
	@echo "== check: ruff format --check"
	@$(BIN)/ruff format --check .
	@echo "== check: mypy --strict"
	@$(BIN)/mypy
	@echo "== check: import directions"
	@$(BIN)/python -m pytest --quiet tests/unit/test_directions.py

bench: $(LEAN) ## time decisions, loading, importing and both wrappers; fails over the limits
	@echo "== bench: one thread"
	@$(BIN)/python benchmarks/bench_core.py $(ARGS)

clean: ## remove .venv, caches and built files
	@echo "== clean: $(VENV), caches, dist"
	@rm -rf $(VENV) $(OTHER) .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp holds the folder that it was made in: a venv that was moved or copied keeps paths to the old place.
ifneq ($(shell cat "$(LEAN)" 2>/dev/null),$(CURDIR))
$(LEAN): FORCE
endif

# Uncompiled: compiling takes as long as all the rest, and only the many processes of the tests pay it back.
$(LEAN): $(INPUTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	|| { echo "Python 3.10 or newer is needed; run: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; exit 1; }
	@if [ "$$(cat "$@" 2>/dev/null)" != "$(CURDIR)" ]; then \
	  echo "== venv: $(VENV) with $$($(PYTHON) -V)"; $(PYTHON) -m venv --clear "$(VENV)"; fi
	@rm -f "$(LEAN)" "$(DEV)"
	@echo "== install: pointsman with LangChain and LlamaIndex, pinned by constraints.txt (about a minute)"
	@$(PIP) --no-compile --editable ".[langchain,llamaindex]"
	@printf '%s\n' "$(CURDIR)" > "$@"

# pip reads dependency groups from 25.1 on, so it brings itself to its pinned version first.
$(DEV): $(LEAN)
	@rm -f "$(LEAN)" "$(DEV)"
	@echo "== install: the tools for tests and checks (about a minute)"
	@$(PIP) pip
	@$(PIP) --editable ".[langchain,llamaindex]" --group dev
	@$(BIN)/python -m compileall -qq "$(VENV)/lib" || :
	@printf '%s\n' "$(CURDIR)" | tee "$(LEAN)" > "$(DEV)"

$(FULL): $(DEV)
	@rm -f "$(FULL)"
	@echo "== install: what trains and exports routers (large: torch and more)"
	@$(PIP) --editable ".[langchain,llamaindex,data,onnx,torch,train]"
	@printf '%s\n' "$(CURDIR)" > "$@"

# A second venv: this group holds back a package that the first has newer.
$(OTHER)/.installed: $(DEV)
	@rm -f "$@"
	@echo "== install: LlamaIndex's exporter and Chroma, in $(OTHER) (two minutes)"
	@$(PYTHON) -m venv --clear "$(OTHER)"
	@grep -v '^llama-index-instrumentation==' constraints.txt > "$(OTHER)/constraints.txt"
	@$(BIN)/python -m pip --python "$(OTHER)/bin/python" --disable-pip-version-check --no-input --quiet install \
	  --constraint "$(OTHER)/constraints.txt" --editable ".[langchain,llamaindex]" --group dev --group integrations
	@touch "$@"

FORCE:
