"""LLDP: what an agent sends, when, and what it makes of its neighbours (IEEE 802.1AB)."""

from __future__ import annotations

from conformance.family import Family, Feature, Role, Scenario
from conformance.protocols import ethertypes

FAMILY = Family(
    name="lldp",
    title="LLDP",
    package=__name__,
    rank=80,
    view="links",
    roles=(Role("lldp-agent", links=True, meets="lldp-pair"),),
    features=(
        Feature("lldp", ethertype=ethertypes.LLDP, protocol="LLDP"),
        Feature("lldp-receive"),
        Feature("lldp-admin"),
        Feature("lldp-changes"),
    ),
    scenarios=(
        Scenario(
            name="lldp",
            title="An LLDP agent is left alone, met, lied to, disabled, changed and ended",
            module=f"{__name__}.scenario",
            waits=24.0,
            inside=True,
            streams=True,
            links=True,
            shows=4,
        ),
    ),
    captured=("lldp-agent",),
)
