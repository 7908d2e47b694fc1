"""BGP: routes of endpoints, announced by BGP."""

from __future__ import annotations

from conformance.family import Family

FAMILY = Family(
    name="bgp",
    title="BGP",
    package=__name__,
    rank=200,
)
