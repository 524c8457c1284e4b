.DEFAULT_GOAL := help
PYTHON ?= python
.PHONY: help install check lint fix test app bench docs demo-model spaces

help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: ## Install the kit with all that developing needs
	$(PYTHON) -m pip install -e ".[dev]"

check: lint docs test ## Everything that must be green: format, lint, types, floors, spelling, site, tests

lint: ## Format, lint, types, import floors, spelling
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	lint-imports
	typos

fix: ## Mend what can be mended by itself
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

test: ## The tests that need no network and no GPU
	$(PYTHON) -m pytest

app: ## The search page
	$(PYTHON) app.py

bench: ## Figures of this machine, each beside a peer's
	$(PYTHON) -m benchmarks.score
	$(PYTHON) -m benchmarks.encode
	$(PYTHON) -m benchmarks.start --whole

docs: ## Build the site: the guides, and a reference from the docstrings; a warning fails
	$(PYTHON) -m properdocs build --strict

spaces: ## Write the Spaces that start with SciFact, as deploy would push them, to build/space and build/studio
	rm -rf build/space build/studio
	$(PYTHON) -m colbert_kit.cli deploy --output build/space
	$(PYTHON) -m colbert_kit.cli deploy --studio --output build/studio

DATA ?= ../shared/data/train
demo-model: ## Train the demo model anew: some hours of two cores
	$(PYTHON) examples/demo_model.py $(DATA) build/demo-model
	cp build/demo-model/demo.safetensors colbert_kit/demo/model.safetensors
