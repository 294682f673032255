# Everything a newcomer runs. Nothing here writes outside this checkout, except
# `make system-deps`, which says so and asks for root.

SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Debian packages, for tests and the demo's simulated caller only: flite speaks
# the caller's part, sox bends it (noise, telephone band), Go compiles a verifier of
# the ledger that is not ours, Redis is what several workers share. The runtime of one needs none of them.
SYSTEM_PACKAGES := flite sox chromium golang-go golang-golang-x-mod-dev redis-server

.PHONY: help .venv demo test loadtest check format lock system-deps clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv: $(STAMP) ## set up .venv here (Python 3.11 to 3.13, about 1.3 GB; reruns only when the lock changes)

# The interpreter is looked for in that order unless PYTHON=… names one. A
# candidate counts when it runs, is of a supported version and can make a venv.
$(STAMP): requirements.lock pyproject.toml
	@set -euo pipefail; found=""; \
	for candidate in $${PYTHON:-python3 python3.12 python3.11 python3.13}; do \
	  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	      2>/dev/null; then found="$$candidate"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "make: no usable Python: 3.11, 3.12 or 3.13 with its venv module is needed" >&2; \
	  echo "      (found: $$(python3 --version 2>&1 || echo none); on Debian: apt-get install python3 python3-venv;" >&2; \
	  echo "      or name one: make .venv PYTHON=/path/to/python3.12)" >&2; \
	  exit 2; \
	fi; \
	echo "[.venv] $$("$$found" --version), packages pinned by hash in requirements.lock (first run: 1 to 4 minutes)"; \
	echo "[.venv] among them espeakng-loader: espeak-ng is GPL-3.0-or-later. It gives the offline profile its voice,"; \
	echo "        runs in a process of its own and is never imported by the server (THIRD_PARTY.md)."; \
	"$$found" -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	touch $(STAMP); \
	echo "[.venv] ready: $$(du -sh $(VENV) | cut -f1)"

demo: .venv ## a simulated phone call to the clinic's front desk, and the proof of it
	@$(BIN)/sayso demo

# Journeys run at the pace of real speech, so they mostly wait: several beside each
# other, after the rest. Tests' files lie in memory where 4 GB of it are to spare: tests
# are about what is written and in which order, and a shared disk that stalls for
# seconds (it has just taken a whole .venv) fails whoever waits for it.
test: .venv ## every test, about 35 minutes on two cores (REQUIRE_ALL=1: a missing program fails)
	@set -eu; sync; \
	if [ "$$(df -Pm /dev/shm 2>/dev/null | awk 'NR == 2 { print $$4 }')" -ge 4096 ] 2>/dev/null; then \
	  TMPDIR="$$(mktemp -d /dev/shm/sayso.XXXX)"; export TMPDIR; trap 'rm -rf "$$TMPDIR"' EXIT; \
	fi; \
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --ignore=tests/journeys; \
	if [ -d tests/journeys ]; then $(BIN)/python -m pytest -q -n 3 --dist loadfile tests/journeys; fi

# What does not count (a busy machine) exits with 1 and is said in the report; the rest, and the report, go on.
loadtest: .venv ## what callers hear: 1 and 5 calls, a short comparison, turn policies; about 10 minutes
	@set -eu; out=loadtests/out; \
	$(BIN)/python -m loadtests run --calls 1 5 --seconds 15 --out $$out/run || test $$? -eq 1; \
	$(BIN)/python -m loadtests compare --calls 2 --rounds 1 --seconds 1 --baselines equal_silence --out $$out/compare \
	  || test $$? -eq 1; \
	$(BIN)/python -m loadtests pauses --voices slt --out $$out/pauses || test $$? -eq 1; \
	$(BIN)/python -m loadtests report --out $$out/run --out $$out/compare --out $$out/pauses --into $$out \
	  || test $$? -eq 1

check: .venv ## lint, format, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy controls voice_runtime loadtests
	@$(BIN)/lint-imports

format: .venv ## rewrite what `check` would refuse and a machine can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# Universal (3.11 to 3.13, every platform), hashed, and without the address it was resolved from.
lock: ## resolve pyproject.toml anew into requirements.lock (needs uv)
	@command -v uv >/dev/null || { echo "make lock: uv is needed (pip install uv)" >&2; exit 2; }
	@uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --extra espeak --extra dev --python-version 3.11 --custom-compile-command "make lock" -o requirements.lock

system-deps: ## install flite, sox, chromium, Go and Redis from Debian (root or sudo; the only target that leaves this folder)
	@set -euo pipefail; missing=""; \
	for package in $(SYSTEM_PACKAGES); do \
	  command -v "$$package" >/dev/null || dpkg -s "$$package" >/dev/null 2>&1 || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then echo "[system-deps] present: $(SYSTEM_PACKAGES)"; exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	  echo "make system-deps: no apt-get here; install these by your own means:$$missing" >&2; exit 2; fi; \
	root=""; \
	if [ "$$(id -u)" -ne 0 ]; then \
	  if command -v sudo >/dev/null; then root="sudo"; \
	  else echo "make system-deps: needs root or sudo to install:$$missing" >&2; exit 2; fi; \
	fi; \
	$$root apt-get update -q; \
	$$root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing

clean: ## remove .venv, caches and the demo's records in .sayso
	@rm -rf $(VENV) .sayso .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
