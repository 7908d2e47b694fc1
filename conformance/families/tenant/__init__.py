"""Isolation of tenants: two networks on the same hosts do not meet."""

from __future__ import annotations

from conformance.family import Family, Feature, Scenario

FAMILY = Family(
    name="tenant",
    title="Isolation of tenants",
    package=__name__,
    rank=130,
    view="filter",
    rests_on=("addr",),
    features=(
        Feature("tenants"),
        Feature("overlapping-addresses"),
    ),
    scenarios=(
        Scenario(
            name="tenant",
            title="Two tenants on the same hosts: every pair, and frames that a bridge floods",
            module=f"{__name__}.scenario",
            waits=6.0,
        ),
    ),
)
