"""CNI contract: the CNI specification, as a runtime sees it."""

from __future__ import annotations

from conformance.family import Family

FAMILY = Family(
    name="cni",
    title="CNI contract",
    package=__name__,
    rank=180,
)
