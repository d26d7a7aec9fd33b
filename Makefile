# The commands of the book; `make help` lists them. Each is one or two lines that you can type
# yourself. To choose the interpreter: make PYTHON=python3.12 book
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help setup book test minilm test-gpu bench notebooks lab serve screenshots pdf epub lint clean

help: ## Lists the commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  make %-11s %s\n", $$1, $$2 }'

setup: .venv/ready ## Makes .venv and installs what requirements.txt names (the others do it for you)

.venv/ready: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("This book needs Python 3.11 or newer, e.g. make PYTHON=python3.11 book")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

SOURCES := _config.yml _toc.yml references.bib $(wildcard chapters/* chapters/*/* api/* website/*/* website/*/*/* attn*/*.py attn*/*/*)

book: _build/ready ## Builds the website from the stored outputs, with warnings as errors
	@echo "Open _build/html/index.html"

_build/ready: .venv/ready $(SOURCES)
	rm -rf _build/html
	$(BIN)/jupyter-book build -q -W -n --keep-going --all .
	@touch $@

test: .venv/ready minilm ## Runs every test: package, notebooks, pictures, claims, website
	$(BIN)/python -m pytest -n 2 --dist loadscope

minilm: .venv/ready ## Fetches the pretrained model of one chapter, 90 MB, unless it is there
	-$(BIN)/python -m attnbook.models.minilm

test-gpu: ## Runs the tests that need a GPU and the notebooks on it: make test-gpu PYTHON=python3
	@$(PYTHON) -c 'import sys, torch; torch.cuda.is_available() or sys.exit("test-gpu: torch finds no CUDA device here")'
	-PYTHONPATH="$(CURDIR)" $(PYTHON) -m attnbook.models.minilm
	ATTNLIB_DEVICE=cuda PYTHONPATH="$(CURDIR)" $(PYTHON) -m pytest -ra tests -k "cuda or gpu"
	ATTNLIB_DEVICE=cuda PYTHONPATH="$(CURDIR)" $(PYTHON) -m pytest chapters

bench: .venv/ready ## Times attention beside torch's and writes benchmarks/attention.md and dilated.md
	$(BIN)/python -m benchmarks.attention && $(BIN)/python -m benchmarks.dilated

notebooks: .venv/ready ## Runs every chapter again and stores its outputs; rewrites the page of claims
	$(BIN)/python website/scripts/execute.py chapters/*.ipynb chapters/solutions/*.ipynb
	$(BIN)/python website/scripts/claims.py

lab: .venv/ready ## Opens the chapters in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=chapters

serve: book ## Shows the website at http://127.0.0.1:8000 (PORT=... for another door)
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

screenshots: book ## Takes a picture of every page, wide and narrow, light and dark (needs Chromium)
	$(BIN)/python website/scripts/screenshots.py

pdf: .venv/ready ## Builds _build/attention.pdf (needs TeX Live; says how to install it)
	$(BIN)/python website/scripts/to_print.py pdf

epub: .venv/ready ## Builds _build/attention.epub, for e-readers
	$(BIN)/python website/scripts/to_print.py epub

lint: .venv/ready ## Checks style and spelling
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/codespell

clean: ## Removes what was built (and leaves .venv)
	rm -rf _build
