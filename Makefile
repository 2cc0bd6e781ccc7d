.PHONY: setup check test reference docs

setup:      ## a virtual environment with everything that development needs
	python3.11 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pre-commit install

check:      ## all that must be green before a commit
	tools/check

test:       ## every test, the slow ones too
	python -m pytest

reference:  ## write the generated pages of docs/reference again
	python -m tools.reference

docs:       ## serve the documentation while you write it
	mkdocs serve
