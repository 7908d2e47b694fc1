"""No translation: addresses, ports and identifiers are the same at both ends."""

from __future__ import annotations

from conformance.family import Family, Feature, Scenario

FAMILY = Family(
    name="nat",
    title="No translation",
    package=__name__,
    rank=20,
    rests_on=("addr",),
    features=(Feature("publish", adds=(("path", "published"), ("path", "published-hairpin"))),),
    scenarios=(
        Scenario(
            name="idle",
            title="Flows stay silent longer than state lives, then the outer side speaks",
            module=f"{__name__}.scenario",
            waits=12.0,
            silent=True,
        ),
    ),
)
