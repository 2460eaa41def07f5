# From a clean clone, on a machine with Python and make:
#
#   make demo    see an autoencoder find out how many directions its data has
#   make test    prove that everything works
#
# Both install what they need into .venv first; that happens once.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2

PY := $(VENV)/bin/python
READY := $(VENV)/.ready
IS_NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'

.DEFAULT_GOAL := help
.PHONY: help demo test quick coverage torture lint docs wheel bench

# An environment that no longer runs, or that was made for a clone elsewhere, is made again.
ifneq ($(shell $(PY) -c '' 2>/dev/null && cat $(READY) 2>/dev/null),$(CURDIR))
.PHONY: $(READY)
endif

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## train two autoencoders on data of known dimension and write a report
	$(PY) examples/demo.py

# A thread for each worker: two workers with as many threads as cores wait for each other.
test: $(READY) ## run all tests (WORKERS=2 at a time)
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist worksteal

quick: $(READY) ## run the tests that take no more than a few seconds
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist worksteal -m 'not slow'

coverage: $(READY) ## measure the branches that the quick tests take; less than 90 % fails
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist worksteal -m 'not slow' \
	  --cov=latentrank --cov-branch --cov-report=term:skip-covered --cov-fail-under=90

# Minutes to hours of what tests/test_fuzz.py, tests/runs/test_crash.py and the tests do in seconds.
torture: $(READY) ## read 10000 damaged files, kill runs, and look for changes that no test sees
	$(PY) -m tests.fuzz --cases 10000
	$(PY) -m tests.kill --kills 10
	$(PY) -m tests.mutants

lint: $(READY) ## check style, formatting and types
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

docs: $(READY) ## build the documentation as a site in site/, with warnings as errors
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet
	@echo "Open site/index.html"

wheel: $(READY) ## install the built package with each Python, the newest and the oldest dependencies
	$(PY) tests/wheel.py

BENCH := .venv-bench
BENCHMARKS := start truncation nuclear_norm steps training training_loop busy mixtures features \
  scale reduction gpu

bench: $(READY) $(BENCH)/.ready ## measure speed, also against other libraries
	@for name in $(BENCHMARKS); do $(BENCH)/bin/python benchmarks/$$name.py || exit 1; done

# The other libraries stay out of the project's own environment, and see its torch.
$(BENCH)/.ready: $(READY)
	@$(PY) -m venv --clear $(BENCH)
	@$(PY) -c 'import site; print(site.getsitepackages()[0])' \
	  > "$$($(BENCH)/bin/python -c 'import site; print(site.getsitepackages()[0])')/project.pth"
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check RRAEsTorch pythae ezyrb
	@$(BENCH)/bin/python -c 'import latentrank' 2>/dev/null || \
	  $(BENCH)/bin/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(READY): pyproject.toml
	@$(PY) -c 'import pip' 2>/dev/null && $(PY) $(IS_NEW_ENOUGH) || { \
	  $(PYTHON) $(IS_NEW_ENOUGH) || { \
	    echo "latentrank needs Python 3.11 or newer, which $(PYTHON) is not; name one that is:" \
	      "make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }; \
	  $(PYTHON) -m venv $(if $(wildcard $(VENV)/pyvenv.cfg),--clear) $(VENV); }
	@echo "Installing latentrank into $(VENV). torch alone is several GB: this takes minutes, once."
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@echo '$(CURDIR)' > $@
