"""Underlay: what an implementation asks of the network below it."""

from __future__ import annotations

from conformance.family import Family

FAMILY = Family(
    name="underlay",
    title="Underlay",
    package=__name__,
    rank=60,
    rests_on=("addr",),
)
