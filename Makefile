# Trialsite: `make run` starts everything on this machine, `make test` proves it.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test fuzz check fix lock setup

# Relative paths everywhere: the folder's own path may hold spaces.
VENV ?= .venv
PY := $(VENV)/bin/python
LOCAL_STAMP := $(VENV)/installed-local-$(shell cat requirements-uv.txt requirements-local.txt | cksum | tr ' ' '-')
DEV_STAMP := $(VENV)/installed-dev-$(shell cat requirements-uv.txt requirements-dev.txt | cksum | tr ' ' '-')
# Extras stay: an older pip refuses what another package asks for with an extra that the lock does not name.
COMPILE := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-emit-index-url --custom-compile-command "make lock"
# Five processes start together: none of them should compile what another has compiled already.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo 'Trialsite: hospital trial software.'
	@echo
	@echo '  make run     start everything on this machine (PORT=8000); Ctrl-C stops it, the data is kept'
	@echo '  make test    run all tests; only some: make test ARGS="tests/local -k stale";'
	@echo '               those under a folder called rules need no servers and start at once'
	@echo '  make fuzz    ask the API 3,000 questions that are made up from its description (CASES=3000)'
	@echo '  make check   lint, types, floors, migrations, messages, documents; changes nothing'
	@echo '  make fix     repair what can be repaired without thinking: format, imports, messages, documents'
	@echo '  make lock    write the requirements*.txt anew from the .in files'
	@echo '  make setup   only install what make run needs into $(VENV)'

run: $(LOCAL_STAMP)
	@exec $(PY) -m trialsite.local run

test: $(DEV_STAMP)
	@exec $(PY) -m trialsite.local test $(ARGS)

fuzz: CASES ?= 3000
fuzz: $(DEV_STAMP)
	@exec env API_CASES=$(CASES) $(PY) -m trialsite.local test -q tests/sponsor/test_fuzz.py

check: $(DEV_STAMP)
	@exec $(PY) -m trialsite.local exec --throwaway -- $(PY) -m trialsite.local.check

# Each step runs even if the one before found something that it cannot repair.
fix: $(DEV_STAMP)
	@status=0; \
	$(PY) -m ruff check --fix . || status=1; \
	$(PY) -m ruff format . || status=1; \
	$(PY) -m scripts.messages || status=1; \
	$(PY) -m trialsite.local exec --throwaway -- $(PY) manage.py write_docs || status=1; \
	exit $$status

# The later ones are constrained by the first, so that all agree on every version.
lock: $(DEV_STAMP)
	$(COMPILE) requirements-uv.in -o requirements-uv.txt
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-local.in -c requirements.txt -o requirements-local.txt
	$(COMPILE) requirements-dev.in -c requirements.txt -c requirements-uv.txt -o requirements-dev.txt

setup: $(LOCAL_STAMP)

# The stamp's name holds the checksum of the lock: a changed lock installs again, an equal one does not.
$(LOCAL_STAMP):
	@if [ ! -f '$(DEV_STAMP)' ]; then $(make_venv); $(PY) scripts/install.py requirements-local.txt; fi
	@touch '$@'

$(DEV_STAMP):
	@$(make_venv); $(PY) scripts/install.py requirements-dev.txt
	@rm -f '$(VENV)'/installed-*; touch '$@'

# A Python that runs, is new enough and can make a virtual environment. Wrappers that only print an error
# (pyenv) and systems without ensurepip (Debian) are passed over while there is a better one.
define make_venv
if $(PY) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then :; else \
  found=; bare=; \
  for python in "$${PYTHON:-python3.13}" python3.13 python3.12 python3.11 python3 python3.14; do \
    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
    if "$$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then found="$$python"; break; fi; \
    bare="$${bare:-$$python}"; \
  done; \
  if [ -z "$$found" ] && [ -n "$$bare" ]; then \
    version=$$("$$bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
    echo "$$bare is there, but it cannot make a virtual environment (venv or ensurepip is missing)." >&2; \
    echo "On Debian and Ubuntu: sudo apt install python$$version-venv" >&2; \
    echo "Then start again." >&2; exit 1; \
  fi; \
  if [ -z "$$found" ]; then \
    echo "Trialsite needs Python 3.11 or newer, and there is none on this machine's PATH." >&2; \
    echo "Debian, Ubuntu: sudo apt install python3 python3-venv    macOS: brew install python@3.13" >&2; \
    echo "If it is installed elsewhere: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; \
  fi; \
  echo "Making $(VENV) with $$("$$found" --version)"; \
  "$$found" -m venv --clear '$(VENV)' || exit 1; \
fi
endef
