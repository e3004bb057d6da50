# What people and CI do with this project. A machine needs Python 3.11 or newer, make and git.

PORT ?= 8000
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& command -v "$$python" && break; done)
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
RUNTIME := $(VENV)/.installed
DEVELOPMENT := $(VENV)/.installed-dev

DATA_DIR := $(or $(CHATSITE_DATA_DIR),var)
COLLECTED := $(DATA_DIR)/.collected
STATIC_SOURCES := $(shell find static -type f 2>/dev/null)

# Settings of the person who runs the tests must not reach the tests; DATABASE_URL may.
TEST_ENV := env -u DEBUG -u SECRET_KEY -u ALLOWED_HOSTS -u REDIS_URL \
	$(foreach name,$(shell env | sed -n 's/^\(CHATSITE_[A-Z_]*\)=.*/\1/p'),-u $(name))
# As on a real site: what `check --deploy` looks at depends on these.
DEPLOY_ENV := $(TEST_ENV) SECRET_KEY=for-this-check-only-0123456789-abcdefghijklmnopqrstuvwxyz \
	ALLOWED_HOSTS=chat.example.org CHATSITE_ORIGINS=https://chat.example.org

.DELETE_ON_ERROR:
.PHONY: help run test test-long check format messages clean

help:
	@echo "make run        the chat at http://127.0.0.1:$(PORT) (PORT=… for another port)"
	@echo "make test       all tests but the long ones (ARGS=… for pytest)"
	@echo "make test-long  long faults and soaks"
	@echo "make check      lint, types, import rules, deploy checks, migrations, translations"
	@echo "make format     puts the code into shape"
	@echo "make messages   gathers strings to translate, compiles translations"

run: $(RUNTIME) $(COLLECTED)
	@$(PY) manage.py migrate --verbosity 0
	@exec $(PY) manage.py runserver --noreload 127.0.0.1:$(PORT)

test: $(DEVELOPMENT)
	OMP_NUM_THREADS=1 $(TEST_ENV) $(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: $(DEVELOPMENT)
	$(TEST_ENV) $(PY) -m pytest -m long $(ARGS)

check: $(DEVELOPMENT)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m scripts.check_imports
	$(DEPLOY_ENV) $(PY) manage.py check --deploy --fail-level WARNING
	$(TEST_ENV) $(PY) manage.py makemigrations --check --dry-run
	$(TEST_ENV) $(PY) -m scripts.check_translations

format: $(DEVELOPMENT)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

messages: $(DEVELOPMENT)
	$(PY) -m scripts.make_messages

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@test -n "$(PYTHON)" || { \
		echo "chatsite needs Python 3.11 or newer; python3 here is $$(python3 --version 2>&1)." >&2; \
		echo "Install one, or name it: make run PYTHON=/path/to/python3.11" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

$(RUNTIME): requirements.txt | $(PY)
	@echo "Installing packages into $(VENV) (once, about a minute)"
	$(PIP) install -r requirements.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	$(PIP) install --quiet -r requirements-dev.txt
	@touch $@

$(COLLECTED): $(STATIC_SOURCES) $(RUNTIME) chatsite/settings.py
	@$(PY) manage.py collectstatic --noinput --clear --verbosity 0
	@touch $@
