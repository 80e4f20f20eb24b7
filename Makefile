# Two commands do everything: `make run` shows the service at work, `make test` runs all tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
STAMP := $(VENV)/.installed

.PHONY: schema install run test check format web worker beat migrate lock clean

install: $(STAMP)

# uv takes a second where pip takes a minute; pip does it from the same file where uv cannot be had.
$(STAMP): requirements-dev.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if $(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) 2>/dev/null \
	   && $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.txt; then true; \
	 else echo "uv is not to be had here: installing with pip"; \
	   $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt; fi
	@touch $(STAMP)

staticfiles: install
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0

run: install
	@$(BIN)/python -m demo.run

test: install
	@$(BIN)/python -m tests

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.static_checks

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: install
	@DEBUG=true $(BIN)/python manage.py spectacular --format openapi-json --validate --fail-on-warn --file docs/openapi.json

migrate: install
	$(BIN)/python manage.py migrate --noinput

web: install staticfiles
	@exec $(BIN)/gunicorn --config config/gunicorn.py config.wsgi:application

worker: install
	@exec $(BIN)/celery --app config worker --pool threads --concurrency $${WORKER_THREADS:-16} \
	   --loglevel $${LOG_LEVEL:-INFO} --without-gossip --without-mingle

# The schedule is fixed in the settings, and what is due stands in the database: beat keeps no file.
beat: install
	@exec $(BIN)/celery --app config beat --scheduler celery.beat:Scheduler --loglevel $${LOG_LEVEL:-INFO}

lock:
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url \
	  --custom-compile-command "make lock" --upgrade requirements.in --output-file requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url \
	  --custom-compile-command "make lock" --upgrade requirements-dev.in --output-file requirements-dev.txt

clean:
	rm -rf $(VENV) var staticfiles .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
