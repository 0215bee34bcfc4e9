# Two commands do everything: `make retrain` and `make test`.
PYTHON ?= python3
# cpu: tensorflow-cpu; gpu: tensorflow with NVIDIA's libraries.
EXTRA ?= cpu
LOCK := requirements-$(EXTRA).lock
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(EXTRA)

.PHONY: retrain rain serve s3 test soak quick browser postgres bench tables gallery lint audit docs wheel lock clean help

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

retrain: $(STAMP) ## set up, then retrain the bundled example: temperature of the next 24 hours
	@$(BIN)/fastlstm retrain deployments/weather_temperature.yaml

rain: $(STAMP) ## set up, then retrain the bundled classifier: rain within the next 6 hours
	@$(BIN)/fastlstm retrain deployments/weather_rain.yaml

serve: $(STAMP) ## start a Prefect server on this machine with the example deployed
	@$(BIN)/python -m deployments.serve deployments/weather_temperature.yaml --time-zone America/New_York

s3: $(STAMP) ## retrain the example into a real S3 server on this machine
	@$(BIN)/python -m deployments.s3_demo

test: $(STAMP) ## set up, then run the tests
	@$(BIN)/python -m pytest

soak: $(STAMP) browser postgres ## the tests that must take long: real outages, every kill moment, crowds, whole examples
	@$(BIN)/python -m pytest -m soak --timeout 1200

quick: $(STAMP) ## the tests of what differs from the last commit, or from BASE=revision (under a minute)
	@$(BIN)/python .ci/quick.py --base $(or $(BASE),HEAD)

browser: # Chromium for the test of Prefect's pages; without it that test is skipped
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq >/dev/null && apt-get install -qq -y chromium >/dev/null 2>&1; } \
	  || echo "Chromium is absent: the browser test will be skipped"

postgres: # PostgreSQL for the test of many writers; without it that test is skipped
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq >/dev/null && apt-get install -qq -y postgresql >/dev/null 2>&1; } \
	  || echo "PostgreSQL is absent: the test of many writers in it will be skipped"

bench: $(STAMP) ## compare with other libraries; writes benchmarks/RESULTS.md (an hour)
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements-bench.lock \
	  --extra-index-url https://download.pytorch.org/whl/cpu
	@$(BIN)/python -m benchmarks

tables: $(STAMP) ## forecast real tables with the defaults; writes benchmarks/TABLES.md (DATA=folder; hours)
	@$(BIN)/python -m benchmarks.tables --data $(or $(DATA),../shared/data) --write

gallery: $(STAMP) ## train on the real tables of docs/gallery and write its pages (ten minutes)
	@$(BIN)/python -m benchmarks.gallery

lint: $(STAMP) ## check style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

audit: $(STAMP) ## check the locked releases against the published advisories
	@$(BIN)/python .ci/audit.py requirements-cpu.lock requirements-gpu.lock requirements-image.lock

$(STAMP): $(LOCK) pyproject.toml
	@echo "Setting up $(VENV) from $(LOCK) (a few minutes, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement $(LOCK)
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check
	@rm -f $(VENV)/.installed-*
	@touch $@

docs: $(STAMP) ## build the pages, with settings and reference, into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

wheel: $(STAMP) ## build the wheel into dist/
	@$(BIN)/python -m hatchling build -t wheel

lock: ## resolve the newest versions into the locks (needs uv)
	@for extra in cpu gpu; do \
	  uv pip compile pyproject.toml --universal --python-version 3.11 \
	    --extra $$extra --extra example --extra aws --extra tune --extra dask --extra excel --group dev --upgrade --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-strip-extras --quiet \
	    --custom-compile-command "make lock" --output-file requirements-$$extra.lock || exit 1; \
	done
	@uv pip compile pyproject.toml --python-version 3.12 --python-platform x86_64-manylinux_2_28 \
	  --extra cpu --extra aws --constraint requirements-cpu.lock --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-strip-extras --quiet \
	  --custom-compile-command "make lock" --output-file requirements-image.lock
	@uv pip compile pyproject.toml --python-version 3.12 --python-platform x86_64-manylinux_2_28 \
	  --extra serve --extra s3 --constraint requirements-cpu.lock --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-strip-extras --quiet \
	  --custom-compile-command "make lock" --output-file requirements-serve.lock
	@for name in peers table_packages raw_packages; do \
	  [ $$name = peers ] && depth= || depth=--no-deps; \
	  uv pip compile benchmarks/$$name.in $$depth --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --quiet \
	    --custom-compile-command "make lock" --output-file benchmarks/$$name.lock || exit 1; \
	done

clean: ## remove the environment and caches; runs stay
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
