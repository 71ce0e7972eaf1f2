# Every target makes its own environment in .venv and works twice in a row.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml | cksum | cut -d' ' -f1)
NEEDED_GB := 8
# One thread a process, a process a core: the tests are many small ones.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m 'not proof'
SPEED := losses views chunks end_to_end

.PHONY: demo test proof bench docs check dist guide pictures install

install: $(STAMP)

$(STAMP):
	@free=$$(df -Pk . | awk 'NR==2 {print int($$4 / 1048576)}'); \
	if [ ! -d $(VENV) ] && [ "$$free" -lt $(NEEDED_GB) ]; then \
	  echo "The environment needs about $(NEEDED_GB) GB (PyTorch is large) and $$free GB are free on this disk." >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "kontrast needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python -m venv failed; on Debian: apt install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV): some minutes the first time, nothing the next."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 2 -e '.[dev]' 2> $(VENV)/install.log || \
	  { grep '^ERROR' $(VENV)/install.log | tail -n 3 >&2; \
	    if grep -qi 'no space left' $(VENV)/install.log; then echo "The disk is full: free about $(NEEDED_GB) GB and run make again." >&2; \
	    else echo "Installing failed. Is the package index reachable? The whole log: $(VENV)/install.log" >&2; fi; exit 1; }
	@rm -f $(VENV)/.installed-*
	@touch $@

demo: install
	@rm -rf runs/demo
	@$(BIN)/kontrast train digits --method simclr --out runs/demo
	@$(BIN)/kontrast search runs/demo digits --query 0 -k 5 --sheet runs/demo/search.png

test: install
	@$(TESTS)

proof: install
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[peers]'
	@$(BIN)/python -m pytest -m proof

bench: install
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[peers]'
	@for what in $(SPEED); do echo "== benchmarks/$$what.py"; $(BIN)/python benchmarks/$$what.py || exit 1; done

docs: install
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@$(BIN)/zensical build --strict --clean
	@echo "The site is in build/site: python3 -m http.server -d build/site"

check: install
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(TESTS)

dist: install
	@rm -rf dist && $(BIN)/python -m build --no-isolation

guide: install
	@$(BIN)/jupyter-execute --inplace --NotebookClient.record_timing=False examples/contrastive_learning.ipynb

pictures: demo
	@$(BIN)/python docs/pictures.py runs/demo
