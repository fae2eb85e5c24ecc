.POSIX:
.PHONY: help demo test slow bench scaling faults endpoints docs docs-check binder environments worked house picture \
	release check format clean chromium

PYTHON ?= python3
WORKERS ?= 2
VENV = .venv
BIN = $(VENV)/bin
RUN = $(BIN)/python

help:
	@echo "make demo     set up, fetch the model, run the quickstart, print its table"
	@echo "make test     set up for tests, check, run all tests"
	@echo "make slow     run the tests that take half a minute or more each"
	@echo "make bench    run the benchmarks: name, ratio, required ratio"
	@echo "make scaling  responses per second by number of cluster workers: 1 and 2 measured, more simulated"
	@echo "make faults   kill kernels and servers, fill disks, garble answers; print the outcome of each run"
	@echo "make endpoints  meet servers of every kind with every verb; write the matrix into the documentation"
	@echo "make binder   build what Binder builds, run every notebook in it within its limits"
	@echo "make environments  install the wheel in fresh environments, try it in each, write the table"
	@echo "make worked   apply the worked examples of docs/adding.md in a clone, tests first"
	@echo "make house    measure the layout: folders, import levels, functions; AT=REVISION to compare"
	@echo "make picture  draw the floors of the package from its imports: docs/floors.png"
	@echo "make release  build, and try the wheel on the oldest and newest Python; uploads nothing"
	@echo "make docs     build the documentation and check its links: build/docs/index.html"
	@echo "make docs-check  build it and open all of its pages in a browser, search included"
	@echo "make check    lint, format check, type check, spelling and grammar"
	@echo "make format   format the code and fix what lint can fix"
	@echo "make clean    remove what make created, except the fetched models"

demo: $(VENV)/demo.stamp
	$(RUN) -m jupyter_mop.backends.model_files
	$(RUN) notebooks/run.py 01_quickstart

test: $(VENV)/test.stamp chromium check
	$(RUN) -m pytest -n $(WORKERS)

slow: $(VENV)/test.stamp
	MOP_SLOW=1 $(RUN) -m pytest -n $(WORKERS) -m slow

bench: $(VENV)/test.stamp
	$(RUN) tests/benchmarks/run.py

scaling: $(VENV)/test.stamp
	$(RUN) tests/benchmarks/scaling.py

faults: $(VENV)/test.stamp
	$(RUN) tests/faults/run.py

endpoints: $(VENV)/test.stamp
	$(RUN) tests/endpoints/run.py

environments: $(VENV)/test.stamp chromium
	$(RUN) tests/environments/run.py

worked: $(VENV)/test.stamp chromium
	$(RUN) tests/contributing/run.py

house:
	$(PYTHON) tests/house/run.py --at $(AT)

picture: $(VENV)/test.stamp
	$(RUN) docs/picture.py

release: $(VENV)/test.stamp
	$(RUN) -m pip install --quiet --editable ".[release]"
	$(RUN) tests/release/run.py

binder:
	$(PYTHON) tests/binder/run.py

docs: $(VENV)/docs.stamp
	$(RUN) docs/build.py

docs-check: docs $(VENV)/test.stamp chromium
	$(RUN) docs/check_pages.py

check: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(RUN) tests/prose/run.py

format: $(VENV)/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist

$(VENV)/venv.stamp:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/demo.stamp: $(VENV)/venv.stamp pyproject.toml
	@echo "Installing: this takes a few minutes the first time."
	$(RUN) -m pip install --quiet --editable ".[local,examples]"
	touch $@

$(VENV)/docs.stamp: $(VENV)/venv.stamp pyproject.toml
	@echo "Installing: this takes a few minutes the first time."
	$(RUN) -m pip install --quiet --editable ".[docs]"
	touch $@

$(VENV)/test.stamp: $(VENV)/venv.stamp pyproject.toml
	@echo "Installing: this takes a few minutes the first time."
	$(RUN) -m pip install --quiet --editable ".[local,examples,test]"
	touch $@

chromium: $(VENV)/test.stamp
	@for name in chromium chromium-browser google-chrome; do \
		command -v $$name && exit; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get; then \
		apt-get -q update && DEBIAN_FRONTEND=noninteractive \
		apt-get -q install -y --no-install-recommends chromium fonts-dejavu-core && exit; \
	fi; \
	$(RUN) -m playwright install chromium
