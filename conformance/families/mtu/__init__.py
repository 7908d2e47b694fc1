"""Path MTU: what an interface promises arrives, or a too-big message comes back."""

from __future__ import annotations

from conformance.family import Family, Feature, Scenario

FAMILY = Family(
    name="mtu",
    title="Path MTU",
    package=__name__,
    rank=50,
    rests_on=("addr",),
    features=(Feature("encapsulation", design=True),),
    scenarios=(
        Scenario(
            name="mtu",
            title="A narrow underlay, probed with DF set and with fragments, both ways",
            module=f"{__name__}.scenario",
            waits=6.0,
        ),
    ),
)
