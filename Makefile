# Everything starts here. `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
FLASK := $(BIN)/flask

.DEFAULT_GOAL := help
.PHONY: help run seed two-services check test-fast test bench speed profile profile-before bench-lists bench-catalog bench-drippers bench-memory bench-streams chaos soak restarts screenshots openapi surface databases costs postman fuzz lock release clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: .venv/run ## Start Postern on :5000 with its database, first admin and sandbox (PORT=5050 SANDBOX_PORT=5150 for other ports)
	@$(FLASK) init
	@exec $(BIN)/python -m sandbox -- $(BIN)/gunicorn

seed: .venv/run ## Fill the development database with a demo: products, users, orders
	@$(FLASK) init
	@$(FLASK) seed

two-services: .venv/run ## Start users in one Postern and orders in another, calling each other by catalog
	@exec $(BIN)/python examples/two-services/run.py

check: .venv/dev ## Lint, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-fast: .venv/dev ## Run this first: what needs no program beside Python, in two minutes
	POSTERN_TEST_DATABASES=sqlite $(BIN)/python -m pytest -n 4 --dist worksteal --ignore=tests/e2e -m "not server and not slow and not alone"

test: .venv/dev ## The whole suite, over real sockets
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not alone"
	$(BIN)/python -m pytest -m alone

bench: .venv/dev ## What Postern costs, beside its peers, and which targets it reaches (10 minutes; BENCH=--quick for one short round)
	$(BIN)/python -m bench $(BENCH)

speed: .venv/dev ## Make all tables and pictures of docs/speed.md anew (half an hour of a machine that does nothing else)
	$(BIN)/python -m bench all --write

profile: .venv/dev ## Draw where the CPU of a call goes: docs/profile-after.svg
	$(BIN)/python -m bench profile --write

profile-before: .venv/dev ## The same of the tree before it was made fast: docs/profile-before.svg (needs structlog)
	$(BIN)/python -m bench.profile.before ac4e5ff

bench-lists: .venv/dev ## Time per page in a table of a million rows, on SQLite and PostgreSQL
	$(BIN)/python -m bench lists $(BENCH)

bench-streams: .venv/dev ## How much a worker grows while 1 GB passes through it, each way
	$(BIN)/python -m bench streams $(BENCH)

bench-memory: .venv/dev ## What a worker keeps of what it read, without a garbage collector
	$(BIN)/python -m bench memory $(BENCH)

bench-drippers: .venv/dev ## How one caller fares beside 4200 strangers who send a byte every 3 seconds
	$(BIN)/python -m bench drippers $(BENCH)

bench-catalog: .venv/dev ## What a catalog of ten thousand methods costs: to load, to reload, and per call
	$(BIN)/python -m bench catalog $(BENCH)

chaos: .venv/dev ## What callers see while Redis, PostgreSQL and a service fail in every way; written into docs/reliability.md
	$(BIN)/python -m bench.chaos matrix --write $(CHAOS)

soak: .venv/dev ## Whether memory, descriptors and disk stay flat under load and faults (30 minutes; SOAK="--seconds 120" for two)
	$(BIN)/python -m bench.chaos soak --write $(SOAK)

restarts: .venv/dev ## How many of 10,000 requests fail while instances are restarted, replaced and upgraded
	$(BIN)/python -m bench.chaos restarts --write $(RESTARTS)

screenshots: .venv/dev ## The console's pictures in docs/, taken anew with Chromium
	$(BIN)/python -m tests.e2e.console.screenshots

openapi: .venv/run ## Write tests/openapi-v1.json anew: what /openapi.json promises, which a test holds
	$(FLASK) openapi > tests/openapi-v1.json.new && mv tests/openapi-v1.json.new tests/openapi-v1.json

surface: .venv/dev ## Write tests/surface.json anew: the names that users and machines see, which a test holds
	$(BIN)/python -m tests.surface

databases: .venv/dev ## Write down the database that a new migration makes, which later versions are shown to upgrade
	$(BIN)/python -m tests.models.old_database

costs: .venv/dev ## Write tests/costs.json anew: the calls that a request makes, which a test holds
	$(BIN)/python -m tests.costs

postman: .venv/run ## Write examples/postman/ anew, from the OpenAPI file
	$(FLASK) openapi | $(BIN)/python examples/postman/make.py

fuzz: .venv/dev ## Ask a running Postern whatever its OpenAPI file allows, and does not (schemathesis, some minutes)
	$(BIN)/python -m tests.fuzz

lock: .venv/dev ## Pin requirements.in and requirements/*.in anew into their .txt, with hashes
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/otel.in -o requirements/otel.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/dev.in -o requirements/dev.txt

release: .venv/dev ## Make dist/: source, what the image needs, list of packages and licences, checksums (HEAD tagged v and VERSION)
	$(BIN)/python deploy/release.py

clean: ## Remove the virtual environment and caches (keeps instance/)
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache

.venv/run: requirements.txt server/early.pth cli/postern
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Postern needs Python 3.11 or newer; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@cp server/early.pth "$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')/postern.pth"
	@install -m 755 cli/postern $(BIN)/postern
	@touch $@

.venv/dev: .venv/run requirements/dev.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt -r requirements/dev.txt
	@touch $@
