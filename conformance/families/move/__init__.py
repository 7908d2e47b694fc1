"""Moves: what moves says so, and everybody follows."""

from __future__ import annotations

from conformance.family import Family, Feature, Role, Scenario

FAMILY = Family(
    name="move",
    title="Moves",
    package=__name__,
    rank=70,
    view="links",
    rests_on=("addr",),
    roles=(
        Role("migration"),
        Role("address-mover"),
    ),
    features=(
        Feature("move"),
        Feature("routed-move"),
        Feature("conflict-detection"),
        Feature("vrrp"),
    ),
    scenarios=(
        Scenario(
            name="move",
            title="Endpoints move under steady streams, silent or talking",
            module=f"{__name__}.scenario",
            waits=11.0,
            inside=True,
            streams=True,
        ),
    ),
    captured=("mover",),
)
