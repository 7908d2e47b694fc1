"""Leaks: what a host keeps of endpoints that are gone."""

from __future__ import annotations

from conformance.family import Family

FAMILY = Family(
    name="leak",
    title="Leaks",
    package=__name__,
    rank=230,
)
