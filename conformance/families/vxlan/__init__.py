"""VXLAN: overlays of VXLAN (RFC 7348)."""

from __future__ import annotations

from conformance.family import Family, Role

FAMILY = Family(
    name="vxlan",
    title="VXLAN",
    package=__name__,
    rank=150,
    roles=(Role("overlay"),),
)
