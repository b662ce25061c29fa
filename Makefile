# make run           the whole service on this machine
# make test          what CI runs: ruff, mypy, import-linter, stubs, buf, pytest
# make format        the code as ruff writes it
# make generate      the stubs again, from protos/
# make bench         load generator, figures as ratios
# make overload      what is left of the service at ten times the load that it can bear
# make soak          half an hour of mixed load with trainings and rollouts: does anything grow, does any call fail
# make chaos         kills at random moments of 30 jobs
# make fuzz          100,000 hostile images and requests; a slice of it is among the tests
# make model ZIP=…   the shipped model again, from its data
# make requirements  the pinned, hashed requirements again, from requirements/*.in
# make licences      the table in requirements/LICENCES.md again
# make sbom          what the images are made of, as CycloneDX in build/
# make audit         known weaknesses of all that is pinned; asks a database on the network, so neither tests nor CI run it
# make clean         removes what was installed and made
PYTHON ?= python3
BIN := .venv/bin
RUN := .venv/.installed-run
DEV := .venv/.installed-dev
DESCRIPTORS := tfserving_api/descriptors.binpb

.PHONY: run help test bench overload chaos soak fuzz model format generate requirements licences sbom audit clean

run: $(RUN) $(DESCRIPTORS)
	@serving="$${SERVING_ADDRESS:-127.0.0.1:8500}"; $(BIN)/python -m transport.free_port \
	  GATEWAY_ADDRESS="$${GATEWAY_ADDRESS:-127.0.0.1:50051}" TRAINER_ADDRESS="$${TRAINER_ADDRESS:-127.0.0.1:50052}" \
	  SERVING_ADDRESS="127.0.0.1:$${serving##*:}"
	@$(BIN)/honcho start

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

# Jobs give way to all other work, so the tests that have some come last, one by one; as do those of faults.
JOBS := tests/e2e/faults tests/e2e/test_retrain.py tests/e2e/test_watching.py tests/trainer/daemon
test: $(DEV) $(DESCRIPTORS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python protos/generate.py --check
	$(BIN)/python protos/lint.py
	$(BIN)/pytest -n 2 --dist loadfile $(JOBS:%=--ignore %)
	$(BIN)/pytest $(JOBS)

bench: $(RUN) $(DESCRIPTORS)
	$(BIN)/python -m bench

overload: $(RUN) $(DESCRIPTORS)
	$(BIN)/python -m bench.overload

# ZIP: the archive of the Brain Tumor data set; see data/README.md. Its licence keeps its slices out of a report that
# is under version control.
model: $(RUN) $(DESCRIPTORS)
	@test -n "$(ZIP)" || { echo "make model ZIP=path/to/brain_tumor.zip"; exit 2; }
	$(BIN)/python -m trainer build-dataset --zip "$(ZIP)"
	$(BIN)/python -m trainer train
	$(BIN)/python -m trainer evaluate
	TRAINER_REPORT_PICTURES=false $(BIN)/python -m trainer publish --data-licence "CC BY-NC-SA 4.0, as third-party registries state" \
	  --data-source "Brain Tumor, Jakesh Bohaju, Kaggle, DOI 10.34740/KAGGLE/DSV/1370629 (3,008 of its 3,762 slices)"

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(DEV)
	$(BIN)/python protos/generate.py

# Kills of every process at random moments of 30 jobs; about 15 minutes. A short one is part of `make test`.
chaos: $(RUN) $(DESCRIPTORS) $(DEV)
	$(BIN)/python tests/e2e/chaos.py --jobs 30

# Half an hour. The exit status says whether a call failed, or memory or file descriptors grew.
soak: $(RUN) $(DESCRIPTORS) $(DEV)
	$(BIN)/python tests/e2e/soak.py

# About two minutes; what does harm is kept in build/fuzz. A short one is part of `make test`.
fuzz: $(RUN) $(DESCRIPTORS) $(DEV)
	$(BIN)/python tests/fuzz/run.py --inputs 100000

# The pins again, from requirements/*.in.
requirements: $(DEV)
	for name in gateway run dev; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --override requirements/overrides.in requirements/$$name.in --output-file requirements/$$name.txt; done

# Which licences what the images are made of has.
licences: $(DEV)
	$(BIN)/python requirements/licences.py requirements/LICENCES.md

# What the images are made of, in CycloneDX.
sbom: $(DEV)
	@mkdir -p build
	for name in gateway run; do $(BIN)/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml \
	  --output-reproducible --output-file build/$$name.cdx.json requirements/$$name.txt || exit 1; done

# Known weaknesses of it. Asks a database on the network, so `make test` does without.
audit: $(DEV)
	$(BIN)/pip-audit --disable-pip --require-hashes --progress-spinner off -r requirements/run.txt -r requirements/dev.txt

clean:
	rm -rf .venv $(DESCRIPTORS) build dist protos/build *.egg-info protos/python/*.egg-info
	rm -rf .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(DESCRIPTORS): tfserving_api/extract.py $(RUN)
	$(BIN)/python -m tfserving_api.extract

# Those that TensorFlow has wheels for. .venv keeps the Python that made it, so this is asked before; and one without
# pip is half made, as on Debian before python3-venv is installed.
PYTHONS := 3.11 3.12 3.13
$(RUN): requirements/run.txt pyproject.toml protos/pyproject.toml
	@test -x $(BIN)/pip || $(PYTHON) -c 'import sys; has = "%d.%d" % sys.version_info[:2]; has in sys.argv[1:] or sys.exit( \
	  "$(PYTHON) is Python " + has + ", and this needs one of $(PYTHONS): name it, as in make run PYTHON=python3.13")' $(PYTHONS)
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e protos -e .
	@touch $@

$(DEV): requirements/dev.txt $(RUN)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@touch $@
