# Two commands: `make run` starts everything, `make test` checks everything.
# python3.11 where there is one that runs: on newer systems python3 is too new.
PYTHON ?= $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null || command -v python3 || echo python3)
VENV := .venv
UV_VERSION := 0.13.9
UV := UV_PROJECT_ENVIRONMENT=$(VENV) $(VENV)/bin/uv
# An experiment of uv's, whose version is fixed above; a test holds it to CycloneDX's schema.
SBOM := --locked --quiet --preview-features sbom-export --format cyclonedx1.5

.PHONY: run test chaos install lint pytest format sbom clean

run: install
	@exec $(VENV)/bin/python manage.py up

test: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	@$(MAKE) --no-print-directory --jobs=2 lint pytest

# What takes a minute of one core, beside the tests.
lint: install
	$(VENV)/bin/mypy
	$(VENV)/bin/bandit -q -r accounts client deepfake_site detection ml -c pyproject.toml
	DJANGO_SETTINGS_MODULE=tests.settings $(VENV)/bin/python manage.py makemigrations --check --dry-run

pytest: install
	$(VENV)/bin/pytest -n auto

# Breaks whole installations for half an hour or more; TEST_DATABASE_URL and TEST_REDIS_URL choose servers.
chaos: install
	UNMASK_CHAOS=full $(VENV)/bin/pytest --integration --chaos tests/chaos -s --durations=0

install: $(VENV)/.installed

$(VENV)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "Unmask needs Python 3.11; say PYTHON=python3.11 make run"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make an environment; on Debian and Ubuntu, install the package" \
			$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.installed: $(VENV)/bin/uv uv.lock pyproject.toml
	$(UV) sync --locked --inexact --quiet
	@touch $@

format:
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# Bills of materials (CycloneDX) of both images, from the lock file, with the hash of every file.
SBOMS := dist
sbom: install
	@mkdir -p $(SBOMS)
	$(UV) export $(SBOM) --no-default-groups --output-file $(SBOMS)/unmask-serve.cdx.json >/dev/null
	$(UV) export $(SBOM) --no-default-groups --group train --output-file $(SBOMS)/unmask-train.cdx.json >/dev/null

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache
