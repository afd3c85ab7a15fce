# `make` alone lists the targets. Each does its own set-up.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

# What the reproduce targets take; empty means: as the machine suggests.
PROTOCOL ?= auto
DATASET ?=
OPTIMIZERS ?=
LRS ?=
SEEDS ?=
DEVICE ?=
JOBS ?=
ENGINE ?= docker
GPUS ?=
WORDS = protocol=$(PROTOCOL) $(if $(DATASET),task.dataset=$(DATASET)) \
	$(if $(OPTIMIZERS),optimizer=$(OPTIMIZERS)) $(if $(LRS),optimizer.lr=$(LRS)) \
	$(if $(SEEDS),seed=$(SEEDS)) $(if $(DEVICE),runner.device=$(DEVICE)) \
	$(if $(JOBS),launcher.jobs=$(JOBS))

# A misspelt setting would otherwise be the whole default study.
SETTINGS := PROTOCOL DATASET OPTIMIZERS LRS SEEDS DEVICE JOBS ENGINE GPUS TEXT PORT RUNS PRECISION MINUTES DRY_RUN \
	RADAM_DATA PYTHON VENV
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
UNKNOWN := $(filter-out $(SETTINGS),$(GIVEN))
ifneq ($(UNKNOWN),)
$(error $(UNKNOWN): no such setting; there are $(SETTINGS))
endif

.PHONY: help setup test test-fast lint format reproduce-cifar study-gpu reproduce-iwslt14 reproduce-wmt16 reproduce-lm1b reproduce-imagenet dashboard dashboard-live report figures docker-build docker-reproduce-cifar bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Settings: PROTOCOL=paper|recipe|short|mini|smoke DATASET=real|standin OPTIMIZERS=adam,radam"
	@echo "            LRS=0.1,0.03 SEEDS=1,2 DEVICE=cpu|cuda JOBS=2 RUNS=folder RADAM_DATA=folder"

setup: $(VENV)/ready ## virtual environment .venv with everything in it

$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11: give a newer one, as in make setup PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --upgrade pip
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -e '.[experiments,dev]'
	@# Its metadata asks for versions that nothing else accepts, hence --no-deps; it is compiled.
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps fairseq==0.12.2 || \
		echo "fairseq could not be built (it needs a C++ compiler): all tasks but translation work"
	@touch $@

reproduce-cifar: setup ## the paper's CIFAR-10 study as far as this machine can
	$(RUN) -m experiments.sweep run experiment=reproduce_cifar10 $(WORDS)

study-gpu: setup ## the paper's CIFAR-10 study at full length on a GPU, checks first (DRY_RUN=1: say what it takes)
	$(RUN) -m scripts.study_gpu $(if $(filter-out 0 no No false False,$(DRY_RUN)),--dry-run) $(if $(SEEDS),--seeds=$(SEEDS)) $(if $(PRECISION),--precision=$(PRECISION)) $(if $(MINUTES),--minutes=$(MINUTES))

reproduce-iwslt14: setup ## Fig. 1 and Table 2 on IWSLT'14, likewise
	$(RUN) -m experiments.sweep run experiment=reproduce_iwslt14 $(WORDS)

reproduce-wmt16: setup ## Table 2 on WMT'16, likewise
	$(RUN) -m experiments.sweep run experiment=reproduce_wmt16 $(WORDS)

reproduce-imagenet: setup ## the ImageNet study as far as this machine can
	$(RUN) -m experiments.sweep run experiment=reproduce_imagenet $(WORDS)

reproduce-lm1b: setup ## the One Billion Word study as far as this machine can (TEXT=europarlmin: another stand-in)
	$(if $(filter standin,$(DATASET))$(TEXT),,$(RUN) -m scripts.prepare_lm1b --if-present)
	$(RUN) -m experiments.sweep run experiment=reproduce_lm1b $(WORDS) $(if $(TEXT),task.standin_text=$(TEXT))

dashboard: setup ## one HTML file to look around in: reports/dashboard.html (RUNS=results: what was published)
	$(RUN) -m experiments.report dashboard $(if $(RUNS),--runs $(RUNS))

dashboard-live: setup ## the same page on localhost, following a running sweep (PORT=8765)
	$(RUN) -m experiments.report dashboard --live $(if $(RUNS),--runs $(RUNS)) $(if $(PORT),--port $(PORT))

report: setup ## tables, figures and REPORT.md again from the store, without training
	$(RUN) -m experiments.report $(if $(RUNS),--runs $(RUNS))

figures: setup ## Figs. 8 and 9 and the warmups' comparison, and the figures of the store's runs
	$(RUN) -m experiments.mechanism
	$(RUN) -m experiments.report figures

# A file's tests stay together, in one of at most four processes: many start processes themselves.
test: setup ## all tests
	$(RUN) -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

test-fast: setup ## the tests that take seconds
	$(RUN) -m pytest -m "not slow"

lint: setup ## style and types, as CI checks them
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/hadolint Dockerfile
	$(RUN) -m mypy

format: setup ## mend the style
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

docker-build: ## a container image with everything in it, fairseq included (ENGINE=podman works too)
	$(ENGINE) build --tag radam --build-arg COMMIT=$$(git describe --always --abbrev=40 --dirty) .

docker-reproduce-cifar: docker-build ## the CIFAR-10 study in a container (GPUS=all gives it the GPUs)
	mkdir -p data runs reports
	$(ENGINE) run --rm --ipc=host $(if $(GPUS),--gpus=$(GPUS)) --user=$$(id -u):$$(id -g) --env=HOME=/tmp \
		$(foreach folder,data runs reports,--volume="$(CURDIR)/$(folder):/radam/$(folder)") \
		radam python -m experiments.sweep run experiment=reproduce_cifar10 $(WORDS)

bench: setup ## speed, side by side with what one would use instead
	$(RUN) -m benchmarks.optimizers
	$(RUN) -m benchmarks.training
	$(RUN) -m benchmarks.imagenet_pipeline
	$(RUN) -m benchmarks.language_model
	$(RUN) -m benchmarks.translation

clean: ## remove caches; keeps data, runs and .venv
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
