# The commands of this project. `make run` and `make test` need nothing but Python 3.11 or newer and make.

BIN := .venv/bin
FORMATTED := src tests benchmarks scripts examples

# Agents come last, and the others build a desk with nothing behind it, which machine code does not let them.
SOURCES_ONLY := --ignore tests/agents --ignore tests/test_openapi.py --ignore tests/security/test_auth_matrix.py

.DEFAULT_GOAL := help
# Else each worker of the tests rewrites every file's assertions anew.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help run test compiled test-compiled soak planted agents matrix check format bench bench-peers lock install-run install-dev

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: install-run ## Start the gateway on http://localhost:8000
	@$(BIN)/unigate local install || echo "Going on without the local model: the scripted demo answers." >&2
	@exec $(BIN)/unigate serve --show-keys $(ARGS)

test: install-dev ## Run all tests but the agents' against real processes
	@$(BIN)/unigate local install
	$(BIN)/python -m pytest $(or $(ARGS),-n 5 --dist worksteal --ignore tests/agents)
	@$(if $(ARGS),:,[ ! -d .cache/matrix ] || $(BIN)/python scripts/matrix.py --check)

compiled: install-dev ## Build the wheel, its hot path as machine code, into build/compiled
	@scripts/compile.sh

soak: install-dev ## Kill, cut and race it for an hour, or ARGS="--minutes 10 --seed 7"
	@scripts/servers.sh
	PYTHONPATH=tests $(BIN)/python -m ledger.soak $(ARGS)

planted: install-dev ## Plant known bugs one by one; each must turn a test red
	@scripts/servers.sh
	$(BIN)/python scripts/planted.py $(ARGS)

agents: install-dev ## Let the vendors' own agents do a task through the gateway
	@scripts/sdks.sh agents
	$(BIN)/python -m pytest tests/agents

matrix: install-dev ## Judge every pair of formats by the vendors' libraries, and publish docs/matrix.md
	$(BIN)/python -m pytest tests/sdks -n 4 --dist worksteal
	$(BIN)/python scripts/matrix.py

check: install-dev ## Format, lint, strict types, architecture
	$(BIN)/ruff format --check $(FORMATTED)
	$(BIN)/ruff check $(FORMATTED)
	$(BIN)/pyright
	$(BIN)/python scripts/compiled.py | xargs $(BIN)/mypy
	$(BIN)/python scripts/provider_docs.py --check
	$(BIN)/python scripts/planted.py --check
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: install-dev ## Format and mend what can be mended
	$(BIN)/ruff format $(FORMATTED)
	$(BIN)/ruff check --fix $(FORMATTED)

test-compiled: compiled ## Run the tests against the compiled wheel, but those of SOURCES_ONLY
	PYTHONPATH=$(CURDIR)/build/compiled $(MAKE) --no-print-directory test ARGS="$(or $(ARGS),-n 3 --dist worksteal $(SOURCES_ONLY))"

bench: compiled ## Measure CPU, latency and memory beside nginx and peers
	@scripts/bench_tools.sh
	PYTHONPATH=$(CURDIR)/build/compiled $(BIN)/python -m benchmarks $(ARGS)

bench-peers: install-dev ## Install the peers that `make bench` compares with
	$(BIN)/python -m benchmarks install-peers

lock: install-dev ## Resolve the dependencies anew
	scripts/lock.sh

install-run:
	@scripts/setup.sh run

install-dev:
	@scripts/setup.sh dev
