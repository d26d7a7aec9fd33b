# The commands of the book; `make help` lists them, and do.py has what each does. To choose the
# interpreter: make PYTHON=python3.12 book
PYTHON ?= python3
COMMANDS := help setup book test check minilm bench screenshots lab pdf epub lint clean

.PHONY: $(COMMANDS) notebooks chapter serve test-gpu

help:

$(COMMANDS):
	@$(PYTHON) do.py $@

notebooks: # all of them, or one: make notebooks CHAPTER=score
	@$(PYTHON) do.py notebooks $(CHAPTER)

chapter: # make chapter NAME=my_chapter, and with a claim: CLAIM="What the chapter shows."
	@$(PYTHON) do.py chapter $(NAME) $(if $(CLAIM),"$(CLAIM)")

serve: # on another port: make serve PORT=8001
	@$(PYTHON) do.py serve $(PORT)

test-gpu: # the tests that need a GPU, and the notebooks on it, by an interpreter that has torch
	@$(PYTHON) -c 'import sys, torch; torch.cuda.is_available() or sys.exit("test-gpu: torch finds no CUDA device here")'
	-PYTHONPATH="$(CURDIR)" $(PYTHON) -m attnbook.models.minilm
	ATTNLIB_DEVICE=cuda PYTHONPATH="$(CURDIR)" $(PYTHON) -m pytest -ra tests -k "cuda or gpu"
	ATTNLIB_DEVICE=cuda PYTHONPATH="$(CURDIR)" $(PYTHON) -m pytest chapters
