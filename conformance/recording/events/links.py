"""Events of ports and cables: which belong together, their carrier, the plain cables, and how late our timers were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.recording.events.base import Event


@dataclass(frozen=True, kw_only=True)
class TimerLate(Event, kind="late"):
    """A timer of the suite ended `seconds` (s) after it was due: what waits on the same machine is as late.

    Written by the scenarios of ports and by `move`; read by every check that judges time (`judging/timing.py`).
    """

    seconds: float


@dataclass(frozen=True, kw_only=True)
class CablePlain(Event, kind="plain-cable"):
    """A plain cable was tried in one direction, before the implementation was there.

    `where` is the tap at the far end, `source` the one at the near end. `nonces` are those of the frames, in
    hexadecimal, by the group address that they went to. `heard` says how often each came in, by group address and tap.
    Written by the lab (`lab/plain.py`); read by the control of ports (`judging/cables.py`).
    """

    source: str
    nonces: Mapping[str, str]
    heard: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class GroupMade(Event, kind="group"):
    """The scenario set `ports` (names, in order) apart as the group `where`: a link group or a bridge.

    Written by the scenarios `lacp` and `stp`; read by their checks.
    """

    ports: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Configured(Event, kind="ready"):
    """The implementation has done what it was asked to do with its ports: groups, or bridges.

    Written by the scenarios of ports, by some of them with more fields (`BridgeReady`, `TreesReady`); read by the
    benchmark of ports, which counts from it.
    """


@dataclass(frozen=True, kw_only=True)
class Carrier(Event, kind="carrier"):
    """Our end of the cable at the port `where` is about to be set up or down: the port gains or loses carrier.

    Written by `carrier` of `provoking/ports.py`; read by the checks of `lldp` and `lacp`.
    """

    up: bool
