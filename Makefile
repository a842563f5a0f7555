# Every target installs what it needs into a virtual environment in .venv, with --require-hashes. It installs again only
# when the requirements change. To use another Python: make test PYTHON=python3.14 VENV=.venv314
PYTHON ?= python3
VENV   ?= .venv
DOCKER ?= docker
IMAGE  ?= cloudflare-access-exporter
HELM   ?= helm
ARGS   ?=
COV    ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test test-faults test-deploy fuzz soak stalled guesses crowd hostile bench simulation lint format \
  requirements docs pictures home chart wheel publish sbom audit image clean

# Stamp files that record what the virtual environment contains. `demo` needs a few packages, tests and lint need all.
RUN := $(VENV)/.run-installed
DEV := $(VENV)/.dev-installed
AUDIT := $(VENV)/.audit-installed
AXE := tests/deploy/node_modules/.package-lock.json
BENCH := $(VENV)/.bench-installed
BIN := $(VENV)/bin
SLOW := $(addprefix tests/,test_faults.py test_faults_endless.py test_faults_outages.py test_faults_process.py \
  test_limits.py test_secrets.py test_soak.py config/test_sharding.py polling/test_storage.py polling/test_storage_clock.py \
  polling/test_storage_fresh.py)
CHART := deploy/helm/cloudflare-access-exporter
PIP := $(BIN)/python -m pip --disable-pip-version-check

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(RUN) ## run the exporter on a simulated account, http://localhost:10060 (ARGS= adds flags)
	$(BIN)/python exporter.py --demo $(ARGS)

test: $(DEV) ## run the tests (only some: ARGS=tests/config; with coverage: COV=yes)
	$(if $(COV),$(BIN)/coverage run,$(BIN)/python) -m pytest --numprocesses=4 --dist=worksteal $(SLOW:%=--ignore=%) \
	  --ignore=tests/deploy $(ARGS)
	$(if $(COV),$(BIN)/coverage combine --quiet && $(BIN)/coverage report)
	@$(BIN)/python -m tests.deploy.programs

test-faults: $(DEV) ## run the long tests: every fault over real sockets, and many processes
	$(BIN)/python -m pytest --numprocesses=4 --dist=worksteal $(SLOW) $(ARGS)

test-deploy: $(DEV) $(AXE) ## run the tests of deploy/ and of the documents, and list missing programs
	$(BIN)/python -m pytest $(ARGS) tests/deploy

fuzz: $(DEV) ## search for input that causes an internal error, with 100,000 examples per test
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -m fuzz --numprocesses=auto --dist=worksteal \
	  --override-ini=faulthandler_timeout=0 --hypothesis-show-statistics $(ARGS)

soak: $(DEV) ## run 10,000 polls with random faults: check numbers, memory, threads and files
	$(BIN)/python -m benchmarks.soak $(ARGS)

stalled: $(DEV) ## measure scrapes while 5,000 connections stall, in six different ways
	$(BIN)/python -m benchmarks.stalled $(ARGS)

hostile: $(DEV) ## measure how long one hostile response of Cloudflare delays other threads
	$(BIN)/python -m benchmarks.hostile

guesses: $(DEV) ## measure first scrapes during floods of wrong passwords
	$(BIN)/python -m benchmarks.guesses $(ARGS)

crowd: $(DEV) ## measure memory and scrapes while 950 clients do not read their responses
	$(BIN)/python -m benchmarks.crowd $(ARGS)

bench: $(BENCH) ## measure speed and memory, compared with alternatives; writes docs/performance.*
	$(BIN)/python -m benchmarks.performance

simulation: $(DEV) ## simulate many accounts with few tokens; writes the tables of docs/scaling.md
	$(BIN)/python -m benchmarks.fleet

lint: $(DEV) ## check style, format, types, layers and spelling; count phrases that are hard to read
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
	$(BIN)/python -m docs.plain_english --check

format: $(DEV) ## fix style errors that ruff can fix, and format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

requirements: $(DEV) ## pin the newest versions (needs the oldest supported Python, 3.11)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo 'make requirements: needs Python 3.11, so that the pins work with every later version; run:' \
	  'make requirements PYTHON=python3.11 VENV=.venv311' >&2; exit 1; }
	$(PIN) --output-file=requirements.txt pyproject.toml
	$(PIN) --extra=dev --constraint=requirements.txt --output-file=requirements-dev.txt pyproject.toml
	$(PIN) --only-build-deps --build-deps-for=wheel --constraint=requirements-dev.txt \
	  --output-file=requirements-build.txt pyproject.toml
	$(PIN) --extra=audit --constraint=requirements-dev.txt --output-file=requirements-audit.txt pyproject.toml
	$(PIN) --extra=bench --constraint=requirements-dev.txt --output-file=requirements-bench.txt pyproject.toml

# --allow-unsafe: pip-tools needs pip and setuptools, and with hashes every package must be pinned. --no-strip-extras:
# older versions of pip do not use the pin of `a` for `a[b]`, and refuse to install when there is a newer `a`.
PIN = CUSTOM_COMPILE_COMMAND='make requirements' $(BIN)/pip-compile --quiet --upgrade --generate-hashes \
  --no-strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

docs: $(DEV) ## write the references, config.yaml, rules, dashboards and values from the code
	$(BIN)/python -m docs.generate
	$(BIN)/python deploy/rules/generate.py
	$(BIN)/python deploy/helm/generate_values_table.py
	$(BIN)/python -m deploy.grafana

pictures: $(DEV) ## draw the pictures of the documents from the running program (needs Chromium and Prometheus)
	$(BIN)/python -m tests.deploy.screenshots
	$(BIN)/python -m docs.draw_session
	$(BIN)/python -m tests.deploy.drawings

# The address in pyproject.toml is also in every link from an alert or a panel to the runbook.
home: ## change links in alerts to your copy: make home URL=https://git.example.com/team/exporter
	@test -n "$(URL)" || { echo 'make home: set URL: make home URL=https://git.example.com/team/exporter' >&2; exit 1; }
	@home=$$(sed -n 's/^Homepage = "\([^"]*\)".*/\1/p' pyproject.toml); \
	  grep -rlIF --exclude-dir={.git,'.venv*',node_modules} "$$home" . | xargs sed -i "s|$$home|$(URL)|g"

chart: ## package the Helm chart into dist/ (HELM=)
	$(HELM) lint --strict $(CHART)
	$(HELM) package $(CHART) --destination dist

wheel: $(AUDIT) ## build the sdist and the wheel into dist/, with the pinned build backend
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

publish: $(AUDIT) ## upload the files of `make wheel` to PyPI (the release workflow does this)
	$(BIN)/twine upload --non-interactive dist/*.tar.gz dist/*.whl

# Lists the packages of a release with their pinned hashes. The same input gives the same file.
sbom: $(AUDIT) ## write the list of packages of a release, as CycloneDX, to dist/sbom.cdx.json
	mkdir -p dist
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
	  --output-file dist/sbom.cdx.json requirements.txt

# --disable-pip: the pins are complete, so pip does not need to resolve or download anything.
audit: $(AUDIT) ## ask PyPI for known vulnerabilities of the pinned packages
	$(BIN)/pip-audit --strict --progress-spinner=off --disable-pip --require-hashes --requirement requirements.txt
	$(BIN)/pip-audit --strict --progress-spinner=off --disable-pip --require-hashes --requirement requirements-dev.txt

image: ## build the container image (IMAGE=, DOCKER=podman)
	$(DOCKER) build --tag $(IMAGE) \
	  --build-arg VERSION="$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' access_exporter/__init__.py)" \
	  --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" $(ARGS) .

# Without npm, the tests that need it are skipped and say so.
$(AXE): tests/deploy/package-lock.json
	@if command -v npm >/dev/null; then \
	  npm ci --prefix tests/deploy --ignore-scripts --no-audit --no-fund --no-update-notifier && touch $@; fi

$(AUDIT): requirements-audit.txt $(DEV)
	$(PIP) install --quiet --require-hashes --requirement $<
	@touch $@

$(BENCH): requirements-bench.txt $(DEV)
	$(PIP) install --quiet --require-hashes --requirement $<
	@touch $@

clean: ## remove everything that make created
	rm -rf $(VENV) tests/deploy/node_modules build dist htmlcov .coverage .coverage.*
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

# After a Python upgrade, this link is broken. make then creates the virtual environment again, without the old stamp
# files.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: $(PYTHON) is missing or older than 3.11; use another one: make PYTHON=python3.13 …" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); echo \
	  "make: $(PYTHON) cannot create a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(RUN): requirements.txt | $(BIN)/python
	$(PIP) install --quiet --require-hashes --requirement $<
	@touch $@

$(DEV): requirements-dev.txt | $(BIN)/python
	$(PIP) install --quiet --require-hashes --requirement $<
	@touch $@ $(RUN)
