"""Events of two implementations that are cabled to each other: the cables, what was taken away, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from conformance.recording.events.base import Event

SideName = Literal["left", "right"]
"""One of the two implementations."""


@dataclass(frozen=True, kw_only=True)
class CableJoined(Event, kind="joined"):
    """The cable `where` joins the port `left` of one implementation to the port `right` of the other.

    Written by `provoking/patching.py`; read by the checks of `pair`.
    """

    left: str
    right: str


@dataclass(frozen=True, kw_only=True)
class BlackHoleBegun(Event, kind="deaf"):
    """Nothing passes the cable `where` from now on, and both ends keep their carrier.

    Written by `provoking/patching.py`; read by the checks of `pair`.
    """


@dataclass(frozen=True, kw_only=True)
class BlackHoleEnded(Event, kind="hearing"):
    """The cable `where`, which carried nothing, carries frames again.

    Written by `provoking/patching.py`; read by the checks of `pair`.
    """


@dataclass(frozen=True, kw_only=True)
class CarrierTaken(Event, kind="severed"):
    """Both ends of the cable `where`, which carried most, are about to lose their carrier.

    Written by the scenarios `pair_lacp` and `pair_stp`; read by their checks.
    """


@dataclass(frozen=True, kw_only=True)
class CarrierGiven(Event, kind="mended"):
    """Both ends of the cable `where` have their carrier again.

    Written by the scenario `pair_lacp`; read by its checks.
    """


@dataclass(frozen=True, kw_only=True)
class AgreementAwaited(Event, kind="agreed"):
    """The two have agreed on every cable or had their time to: at the start (`where` is `up`), after the carrier came
    back (`severed`), or after a silence (`deaf`). Whether they have is in their LACPDUs.

    Written by the scenario `pair_lacp`; read by its checks.
    """


@dataclass(frozen=True, kw_only=True)
class GroupWatched(Event, kind="done"):
    """The group has been watched for long enough after the last loss.

    Written by the scenario `pair_lacp`; read by `pair.lacp-survives`.
    """


@dataclass(frozen=True, kw_only=True)
class BridgesJoined(Event, kind="room"):
    """Two bridges form the meeting `where`, in which that of the side `root` is to be the root.

    Ports that may forward do so within `converged` (s). `stations` are the ports at which our stations are, that of the
    left side first, and `cables` the cables between the two. Written by the scenario `pair_stp`; read by its checks.
    """

    root: SideName
    converged: float
    stations: tuple[str, str]
    cables: tuple[str, ...]
