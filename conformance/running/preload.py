"""What the recording server imports once, so that no sandbox has to."""

from __future__ import annotations

from typing import Final

from conformance.family import families

MODULES: Final = (
    "conformance.running.record",
    "conformance.adapters.linux",
    "conformance.adapters.wire",
    "conformance.adapters.cni",
    "conformance.adapters.reference_lacp",
    "conformance.adapters.bridge",
    "conformance.adapters.pair",
    "conformance.recording.bulk",
    "conformance.requirement",
    "pyroute2",
)
"""What most recordings need, besides their scenarios."""


def preload() -> tuple[str, ...]:
    """The modules, those of this suite's own scenarios among them: a broken one of others disturbs its recording
    only."""
    own = (one for one in families().values() if one.package.startswith("conformance."))
    return (*MODULES, *(scenario.module for family in own for scenario in family.scenarios))
