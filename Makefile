# Thin: each target is the command that a person would type. Everything runs in .venv.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export HF_HUB_DISABLE_TELEMETRY := 1
AT_ONCE := --numprocesses auto --dist loadscope

.DEFAULT_GOAL := help
.PHONY: help setup run repro test test-elsewhere fuzz reproduce lint compare verify benchmark clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/installed  ## make .venv, install the pinned requirements and the command snips

.venv/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; set PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517 -r requirements.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/tests-installed: .venv/installed tests/requirements.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

run: setup  ## run the pipeline on SNIPS, or on the embedded sample where SNIPS cannot be had
	@python -m stages.download --check; \
	case $$? in 0) dvc repro;; 3) dvc exp run -S data.source=sample;; *) exit 1;; esac
	@cat data/report/summary.md
	@echo
	@echo "Page to read first: data/report/index.html  Models: data/models  Metrics: metrics"

repro: setup  ## dvc repro
	dvc repro

test: .venv/tests-installed  ## run all tests, one a core
	OMP_NUM_THREADS=1 python -m pytest $(AT_ONCE)

test-elsewhere: .venv/tests-installed  ## the tests without stages once more, as another machine would compute: one thread, AVX2 alone
	OMP_NUM_THREADS=1 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python -m pytest $(AT_ONCE) tests/pipelines

lint: setup  ## check style and format
	ruff check .
	ruff format --check .

compare: setup  ## experiments side by side: the headlines, and the params that differ
	@COLUMNS=$${COLUMNS:-160} dvc exp show --only-changed --no-pager --drop '(data|metrics|pipelines|stages)/.*'

verify: setup  ## set the finished run beside the one in git: outputs by their sums, figures within tolerances
	@snips verify

reproduce: setup  ## run the sample twice, in two fresh clones, and compare every output
	python -m tests.reproduce

fuzz: .venv/tests-installed  ## 10,000 hostile cases for each reader, by new seeds
	FUZZ_CASES=10000 python -m pytest tests/test_fuzz.py

benchmark: .venv/tests-installed  ## measure beside plain transformers, half an hour and more; see benchmarks/README.md
	python -m benchmarks

clean:  ## remove what can be rebuilt: .venv, DVC's outputs and unfinished training; the cache stays
	@rm -rf "$${SNIPS_CHECKPOINTS:-.checkpoints}" && echo "unfinished training is gone: $${SNIPS_CHECKPOINTS:-.checkpoints}"
	rm -rf .venv $(addprefix data/,raw corpus splits folds predictions runs limits comparison generated judgement bert_gpt monitor report models/* lessons/*)
