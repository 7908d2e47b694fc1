"""Times of a spanning tree (IEEE 802.1D-2004 §17.13, Table 17-1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Times:
    """Times of a spanning tree, in seconds."""

    hello: float
    max_age: float
    forward_delay: float


SHORTEST: Final = Times(2.0, 6.0, 4.0)
"""The lower ends of the ranges of IEEE 802.1D-2004 Table 17-1 that keep its relations (§17.14)."""
DEFAULT: Final = Times(2.0, 20.0, 15.0)
