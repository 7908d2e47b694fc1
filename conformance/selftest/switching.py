"""Faults of bridges and spanning trees."""

from conformance.selftest.fault import Fault

FAULTS: tuple[Fault, ...] = ()
