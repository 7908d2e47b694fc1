"""Machines are shared and busy: no example of a property has a deadline of its own."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("plugfest", deadline=None)
settings.load_profile("plugfest")
