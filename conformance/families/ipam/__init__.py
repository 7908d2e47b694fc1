"""Address management: addresses are given out once, and come back."""

from __future__ import annotations

from conformance.family import Family, Role

FAMILY = Family(
    name="ipam",
    title="Address management",
    package=__name__,
    rank=160,
    roles=(Role("ipam"),),
)
