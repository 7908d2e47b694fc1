"""Bridging: what a bridge floods, learns, forgets and keeps (IEEE 802.1Q)."""

from __future__ import annotations

from conformance.family import Family, Feature, Role, Scenario

FAMILY = Family(
    name="bridge",
    title="Bridging",
    package=__name__,
    rank=110,
    view="links",
    roles=(
        Role("bridge", links=True, meets="bridge-pair"),
        Role("switch", links=True),
    ),
    features=(Feature("own-view"),),
    scenarios=(
        Scenario(
            name="bridge",
            title="A bridge of four ports: floods, learns, forgets, keeps to itself",
            module=f"{__name__}.scenario",
            waits=20.0,
            links=True,
            shows=2,
        ),
    ),
    captured=("bridge",),
)
