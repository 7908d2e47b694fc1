"""Docker driver contract: what Docker asks of a network driver."""

from __future__ import annotations

from conformance.family import Family

FAMILY = Family(
    name="cnm",
    title="Docker driver contract",
    package=__name__,
    rank=190,
)
