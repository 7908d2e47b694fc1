"""Link aggregation: what a participant sends, grants and withholds (IEEE 802.1AX)."""

from __future__ import annotations

from conformance.family import Family, Feature, Role, Scenario
from conformance.protocols import ethertypes

FAMILY = Family(
    name="lacp",
    title="Link aggregation",
    package=__name__,
    rank=90,
    view="links",
    roles=(Role("lacp-partner", links=True, meets="lacp-pair"),),
    features=(Feature("lacp", ethertype=ethertypes.SLOW_PROTOCOLS, protocol="LACP"),),
    scenarios=(
        Scenario(
            name="lacp",
            title="Groups of ports, each with a partner that behaves in its own way",
            module=f"{__name__}.scenario",
            waits=15.0,
            links=True,
            shows=5,
        ),
    ),
    captured=("lacp-partner",),
)
