"""Spoofing: nobody sends in the name of another."""

from __future__ import annotations

from conformance.family import Family, Feature, Scenario

FAMILY = Family(
    name="spoof",
    title="Spoofing",
    package=__name__,
    rank=140,
    view="filter",
    rests_on=("addr",),
    features=(Feature("source-validation"),),
    scenarios=(
        Scenario(
            name="spoof",
            title="One endpoint sends in others' names, and what it may send between that",
            module=f"{__name__}.scenario",
            waits=5.0,
        ),
    ),
)
