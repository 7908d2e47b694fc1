"""Spanning tree: one tree, in time, and none where endpoints are (IEEE 802.1D)."""

from __future__ import annotations

from conformance.family import Family, Feature, Scenario

FAMILY = Family(
    name="stp",
    title="Spanning tree",
    package=__name__,
    rank=100,
    view="links",
    features=(
        Feature("stp"),
        Feature("rstp"),
    ),
    scenarios=(
        Scenario(
            name="stp",
            title="Spanning trees: a loop, better and worse roots, changes, silence",
            module=f"{__name__}.scenario",
            waits=30.0,
            links=True,
            shows=3,
        ),
    ),
    captured=("bridge",),
)
