"""Routability: who reaches whom, at which address, over how many hops."""

from __future__ import annotations

from conformance.family import Family, Feature, Role, Scenario

FAMILY = Family(
    name="route",
    title="Routability",
    package=__name__,
    rank=10,
    rests_on=("addr",),
    roles=(Role("workload-network"),),
    features=(
        Feature("ipv4", needed_for=(("family", "ipv4"),)),
        Feature("ipv6", needed_for=(("family", "ipv6"),)),
        Feature("multi-host", needed_for=(("path", "cross-host"),)),
    ),
    scenarios=(
        Scenario(
            name="reachability",
            title="Everybody talks to everybody: protocols, ports, hop limits, absent addresses",
            module=f"{__name__}.scenario",
            waits=6.0,
            shows=6,
        ),
    ),
)
