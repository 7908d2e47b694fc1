"""Churn: endpoints come and go, and nothing stays behind."""

from __future__ import annotations

from conformance.family import Family

FAMILY = Family(
    name="churn",
    title="Churn",
    package=__name__,
    rank=220,
)
