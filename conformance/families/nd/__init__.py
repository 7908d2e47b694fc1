"""Neighbour discovery: addresses are tried before use, solicitations answered, and IPv6 works alone."""

from __future__ import annotations

from conformance.family import Family, Feature, Scenario

FAMILY = Family(
    name="nd",
    title="Neighbour discovery",
    package=__name__,
    rank=40,
    rests_on=("addr",),
    features=(Feature("duplicate-detection"),),
    scenarios=(
        Scenario(
            name="discovery",
            title="IPv6 neighbours: DAD, a duplicate, solicitations, IPv6 alone",
            module=f"{__name__}.scenario",
            waits=10.0,
            inside=True,
            shows=1,
        ),
    ),
)
