# Thin: makes the virtual environment, then calls tox, where the commands are.
PYTHON ?= python3
TOX := .venv/bin/tox

.PHONY: matrix test bench lint peers clean

matrix: $(TOX)  ## the interoperability matrix; ARGS="docker-bridge cni-bridge" for others than the kernel-only set
	$(TOX) run -qe matrix -- $(ARGS)

test: peers $(TOX)  ## lint, types and every test, with real peers (root)
	$(TOX) run-parallel --parallel-no-spinner -e lint,type,docs
	$(TOX) run -e lab

bench: $(TOX)  ## every benchmark
	$(TOX) run -qe bench

lint: $(TOX)  ## ruff and mypy
	$(TOX) run -e lint,type

peers:  ## the Debian packages of the real peers, as the profiles name them
	$(PYTHON) -m conformance.upkeep.packages --install

$(TOX):
	$(PYTHON) -m venv .venv || { apt-get update && apt-get install -y python3-venv && $(PYTHON) -m venv --clear .venv; }
	.venv/bin/python -m pip install --quiet --disable-pip-version-check 'tox>=4.23'

clean:
	rm -rf .venv .tox dist
