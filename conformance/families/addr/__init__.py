"""Addresses: addresses are unique, as promised and as reported."""

from __future__ import annotations

from conformance.family import Family, Feature

FAMILY = Family(
    name="addr",
    title="Addresses",
    package=__name__,
    rank=30,
    features=(
        Feature("ipv6-prefix-per-host"),
        Feature("multi-address"),
    ),
)
