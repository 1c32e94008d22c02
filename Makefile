# Each target sets up .venv by itself, and again when pyproject.toml or constraints.txt have changed.
# PYTHON=python3.12 picks another Python; PIP_EXTRA_INDEX_URL and the like are handed on to pip.

PYTHON ?= python3
BIN := .venv/bin
BENCH := $(BIN)/python Testing/benchmarks

.PHONY: demo test lint docs dist bench fuzz faults clean

demo: .venv/.program ## the whole path on the embedded study
	$(BIN)/claim-slicer demo

test: .venv/.development ## library tests, two files at a time, and panel tests, with coverage
	$(BIN)/python -m pytest Testing/library -n 2 --dist loadfile --cov --cov-report=
	$(BIN)/python -m pytest Testing/modules --cov --cov-append --cov-report=term:skip-covered

lint: .venv/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python Testing/pythonqt_lint.py
	$(BIN)/python Testing/portable_lint.py
	$(BIN)/python Testing/extension_index.py

docs: .venv/.development ## the documentation as a site in build/docs; a warning is an error
	$(BIN)/python -m sphinx -q -W --keep-going -E docs build/docs
	@echo "The documentation is in build/docs/index.html"

dist: .venv/.development ## sdist and wheel in build/dist, tried: the wheel installed alone runs its demo
	$(BIN)/python Testing/release.py

bench: .venv/.development ## figures on the real studies in CLAIM_DATA; tables and pictures in build/bench
	@test -d "$(CLAIM_DATA)/emidec" || { echo "Set CLAIM_DATA to a folder that holds emidec/Case_P001 and so on."; exit 2; }
	$(BENCH)/import_time.py
	$(BENCH)/main_thread.py
	$(BENCH)/smile_speed.py --data $(CLAIM_DATA)/emidec
	$(BENCH)/smile_vs_real.py --data $(CLAIM_DATA)/emidec --out build/bench/smile
	$(BENCH)/insertion_error.py --data $(CLAIM_DATA)
	$(BENCH)/atlas_vs_frame.py
	$(BENCH)/quantification_emidec.py $(CLAIM_DATA)/emidec
	$(BENCH)/segmentation_accuracy.py --data $(CLAIM_DATA)/emidec --out build/bench/segmentation
	$(BENCH)/synthesis_realism.py --data $(CLAIM_DATA)/emidec --out build/bench/synthesis-halo --halo 3
	$(BENCH)/synthesis_realism.py --data $(CLAIM_DATA)/emidec --out build/bench/synthesis-strict
	$(BENCH)/synthesis_scanners.py --data $(CLAIM_DATA)/emidec
	$(BENCH)/synthesis_extremes.py --data $(CLAIM_DATA)/emidec --out build/bench/synthesis
	$(BENCH)/synthesis_cost.py --data $(CLAIM_DATA)/emidec
	$(BENCH)/synthesis_curves.py --data $(CLAIM_DATA)/emidec --out build/bench/synthesis

fuzz: .venv/.development ## 20,000 spoilt files for every reader; SEED=2 tries others
	$(BIN)/python Testing/fuzz/fuzz.py --count $(or $(COUNT),20000) --seed $(or $(SEED),1)

faults: .venv/.development ## every write of every command fails once: full disk, read-only, killed, two at once
	$(BIN)/python Testing/faults/faults.py

clean:
	rm -rf .venv build dist claim-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null || \
		{ echo "Python 3.11 or newer is needed: install it, or name it with 'make PYTHON=...'."; exit 2; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || \
		{ echo "Python's venv is missing: on Debian and Ubuntu, 'sudo apt install python3-venv'."; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.program: .venv/.python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dicom]"
	@touch $@

.venv/.development: .venv/.python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dicom,text,dask,nnunet,fabric,test,lint,docs,slicer]"
	@touch $@ .venv/.program
