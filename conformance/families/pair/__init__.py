"""Pairs: two implementations in one lab, each against the other."""

from __future__ import annotations

from conformance.family import Family, Role, Scenario

FAMILY = Family(
    name="pair",
    title="pair",
    package=__name__,
    rank=240,
    roles=(
        Role("workload-pair", pair=True),
        Role("lldp-pair", links=True, pair=True),
        Role("lacp-pair", links=True, pair=True),
        Role("bridge-pair", links=True, pair=True),
    ),
    scenarios=(
        Scenario(
            name="pair_lldp",
            title="Two LLDP agents find each other on two cables; one falls silent",
            module=f"{__name__}.scenario_lldp",
            waits=40.0,
            inside=True,
            links=True,
        ),
        Scenario(
            name="pair_lacp",
            title="Two switches and two cables between them: negotiated, lost, taken back",
            module=f"{__name__}.scenario_lacp",
            waits=40.0,
            links=True,
        ),
        Scenario(
            name="pair_stp",
            title="Two bridges and two cables between them: one root, one way, then the other",
            module=f"{__name__}.scenario_stp",
            waits=30.0,
            links=True,
        ),
        Scenario(
            name="pair",
            title="Endpoints of two implementations, one on each host, talk to each other",
            module=f"{__name__}.scenario",
            waits=6.0,
            inside=True,
        ),
    ),
)
