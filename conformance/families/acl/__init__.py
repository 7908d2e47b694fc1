"""Filtering: deny means deny, for every protocol, family and direction."""

from __future__ import annotations

from conformance.family import Family, Feature, Role, Scenario

FAMILY = Family(
    name="acl",
    title="Filtering",
    package=__name__,
    rank=120,
    view="filter",
    rests_on=("addr",),
    roles=(Role("packet-filter"),),
    features=(
        Feature("policy"),
        Feature("restart"),
    ),
    scenarios=(
        Scenario(
            name="policy",
            title="A policy between many endpoints: all pairs at once, and what lies one step beside it",
            module=f"{__name__}.scenario",
            waits=12.0,
            steady=True,
            many=True,
        ),
    ),
)
