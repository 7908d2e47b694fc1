"""Growth: how tables grow with the number of endpoints."""

from __future__ import annotations

from conformance.family import Family

FAMILY = Family(
    name="growth",
    title="Growth",
    package=__name__,
    rank=210,
)
