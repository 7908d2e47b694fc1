"""Mutation of the code that decides a verdict: ``python -m conformance.upkeep.mutation`` (``tox -e mutation``).

One change at a time is made to a check, to evidence, or to what judges, gates or attests; the unit tests that run the
changed line must then fail. `areas` says what is mutated; `changes`, `alternatives` and `texts` make every change that
there is, and `mutants` a seeded sample of it; `swap` puts one in force in a running process; `reach` knows which tests
run which lines; `workers` and `trial` try the mutants in forked processes; `results` prints.
"""
