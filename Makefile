# `make run` runs the service with a stand-in for Instagram; `make test` runs all tests, `make test-fast` the unit tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
STAMP := $(VENV)/.installed
CODE := config demo entitlements foundation instagram_standin outbox paris_integration venice_api

.PHONY: bench engines faults fuzz mutants rolling schema scripts install installed run test test-fast check format web worker beat migrate lock clean

install: $(STAMP)
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@$(BIN)/python -m compileall -q $(CODE)

# uv takes a second, pip a minute. If uv can't be installed, pip installs from the same file. Both compile the packages:
# the production processes write no bytecode, and would compile two thousand files at every start.
$(STAMP): requirements-dev.txt
	@echo "Installing packages …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if $(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) 2>/dev/null \
	   && $(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements-dev.txt; then true; \
	 else echo "uv is not available: installing with pip"; \
	   $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt; fi
	@touch $(STAMP)

run: $(STAMP)
	@$(BIN)/python -m demo.run

test: $(STAMP)
	@$(BIN)/python -m tests

test-fast: $(STAMP)
	@$(BIN)/python -m tests --fast

# Faults of processes, stores and Meta, with a separate PostgreSQL and Redis; writes docs/reliability.md.
faults: $(STAMP)
	@$(BIN)/python -m tests.faults

# Takes minutes; starts separate PgBouncer, RabbitMQ, PostgreSQL and Redis servers (Debian: pgbouncer, rabbitmq-server,
# postgresql, redis-server).
engines: $(STAMP)
	@$(BIN)/python -m tests.engines

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.static_checks

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: $(STAMP)
	@DEBUG=true $(BIN)/python manage.py spectacular --format openapi-json --validate --fail-on-warn --file docs/openapi.json

scripts: $(STAMP)
	@$(BIN)/python -m tests.minified

# Needs wrk and nginx (Debian: wrk, nginx-light), and PostgreSQL and Redis on this machine.
bench: export DATABASE_URL ?= postgres://postgres@127.0.0.1:5432/postgres
bench: export REDIS_URL ?= redis://127.0.0.1:6379/9
bench: $(STAMP)
	@$(BIN)/python -m benchmarks.reads

# Takes the guards of the service away, one at a time, and sees that a test fails. Needs PostgreSQL and Redis.
mutants: $(STAMP)
	@$(BIN)/python -m tests.mutants

# The long form of tests/fuzz: about 20,000 requests made from the schema, 25,000 odd requests through plain sockets,
# and 100,000 values. Needs PostgreSQL and Redis on this machine. Prints one line of figures per target.
FUZZ_EXAMPLES ?= 550
FUZZ_REQUESTS ?= 25000
FUZZ_INPUTS ?= 100000
fuzz: export DATABASE_URL ?= postgres://postgres@127.0.0.1:5432/postgres
fuzz: export REDIS_URL ?= redis://127.0.0.1:6379/9
fuzz: $(STAMP)
	@status=0; \
	$(BIN)/python -m tests.fuzz.values --inputs $(FUZZ_INPUTS) || status=1; \
	$(BIN)/python -m tests.fuzz.schema --examples $(FUZZ_EXAMPLES) || status=1; \
	$(BIN)/python -m tests.fuzz.odd_requests --requests $(FUZZ_REQUESTS) || status=1; \
	exit $$status

# The previous release and this one under load, on one database and Redis. Unpacks the previous release and installs its
# packages. PREVIOUS names another revision than the last tag.
MINUTES ?= 1
rolling: export DATABASE_URL ?= postgres://postgres@127.0.0.1:5432/postgres
rolling: export REDIS_URL ?= redis://127.0.0.1:6379/9
rolling: $(STAMP)
	@$(BIN)/python -m tests.rolling.load --minutes $(MINUTES) $(if $(PREVIOUS),--previous $(PREVIOUS))

migrate: $(STAMP)
	$(BIN)/python manage.py migrate --noinput

# The production processes don't write to the checkout, so it can be shared and read-only. Their data is in VAR_DIR
# (var/ by default).
web worker beat: export PYTHONDONTWRITEBYTECODE = 1
web worker beat: installed

installed:
	@test -e $(STAMP) || { echo "Nothing is installed here yet: run make install." >&2; exit 1; }

web:
	@exec $(BIN)/gunicorn --config config/gunicorn.py config.wsgi:application

worker:
	@exec $(BIN)/celery --app config worker --pool threads --concurrency $${WORKER_THREADS:-16} \
	   --loglevel $${LOG_LEVEL:-INFO} --without-gossip --without-mingle

# The schedule is in the settings and due work in the database, so beat needs no schedule file.
beat:
	@exec $(BIN)/celery --app config beat --scheduler celery.beat:Scheduler --loglevel $${LOG_LEVEL:-INFO}

lock:
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url \
	  --custom-compile-command "make lock" --upgrade requirements.in --output-file requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url \
	  --custom-compile-command "make lock" --upgrade requirements-dev.in --output-file requirements-dev.txt

clean:
	rm -rf $(VENV) var staticfiles .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
