"""IPv6: IPv6 as nodes must have it."""

from __future__ import annotations

from conformance.family import Family

FAMILY = Family(
    name="v6",
    title="IPv6",
    package=__name__,
    rank=170,
)
