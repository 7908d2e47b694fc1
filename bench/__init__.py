"""Benchmarks: each module prints its figures; run all with ``python -m bench``."""
