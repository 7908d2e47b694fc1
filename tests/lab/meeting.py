"""Recordings of two switches that meet, made by hand: what their partners' taps would have seen, and what was shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from conformance.pairs.pairing import add_host, pair_of
from conformance.profile import Profile, load
from conformance.protocols.lacp.frames import Lacpdu, Participant, State
from conformance.recording.capture import FLAG_INBOUND, FLAG_OUTBOUND
from conformance.recording.events import Event, row_of
from conformance.recording.model import IdentityState, PortState, Record, TapState, Window
from conformance.recording.pcapng import Writer
from conformance.recording.store import FRAMES, Recording
from conformance.testbed import load as load_testbed

SECOND = 10**9
BEGIN = 10**18
PORTS = ("h1p1", "h1p2", "h1p3", "h2p1", "h2p2", "h2p3")
GRANTED = State.ACTIVITY | State.TIMEOUT | State.AGGREGATION | State.SYNCHRONIZATION | State.COLLECTING
UP = GRANTED | State.DISTRIBUTING
Seen = tuple[str, float, bytes, bool]
"""A frame on a tap: which one, when (in s), and whether it was sent there and did not come in."""


def at(seconds: float) -> int:
    return BEGIN + int(seconds * SECOND)


def recorded(
    folder: Path,
    events: Iterable[Event],
    seen: Iterable[Seen],
    *,
    load_average: float = 0.0,
    windows: tuple[Window, ...] = (),
    left: Profile | None = None,
    called: str = "port",
) -> Recording:
    """A pair of switches, three ports each, with what the partners' taps saw; what the ports of the left one are
    `called`, their number comes behind it."""
    reference = load("reference-lacp")
    profile = pair_of(left or reference, reference)
    testbed = add_host(load_testbed("links"), 3)
    ordered = sorted(seen, key=lambda one: one[1])
    with (folder / FRAMES).open("wb") as stream:
        writer = Writer(stream)
        taps = {name: writer.interface(f"partners:{name}") for name in PORTS}
        for name, moment, frame, outbound in ordered:
            writer.frame(taps[name], at(moment), frame, flags=FLAG_OUTBOUND if outbound else FLAG_INBOUND)
    record = Record(
        suite="0",
        scenario="pair_lacp",
        profile=profile,
        testbed=testbed,
        kernel="6",
        processors=2,
        rootless=False,
        identity=IdentityState(product="two", version="1"),
        load=(load_average, 0.0, 0.0),
        started_ns=at(0),
        finished_ns=at(60),
        events=tuple(row_of(one) for one in events),
        windows=windows,
        ports=tuple(
            PortState(
                name=f"{name[:2]}:{called if name.startswith('h1') else 'port'}{name[3]}",
                host=name[:2],
                partner=f"partners:{name}",
                partner_mac="",
            )
            for name in PORTS
        ),
        taps=tuple(
            TapState(
                number=number,
                name=f"partners:{name}",
                where="partners",
                interface=name,
                role="partner",
                captured=sum(one[0] == name for one in ordered),
                dropped=0,
            )
            for name, number in taps.items()
        ),
    )
    return Recording(folder, record)


def event(moment: float, what: Event) -> Event:
    """The event as it would have been written down at that moment (in s)."""
    return replace(what, time_ns=at(moment))


def lacpdus(
    name: str, moments: Iterable[float], *, state: State = UP, system: str = "02:00:5e:00:53:01", ours: bool = False
) -> list[Seen]:
    """LACPDUs of a system in some state at these moments: of the switch, or `ours` into it."""
    frame = Lacpdu(Participant(1, system, 1, 1, 1, state=state), Participant()).build("02:00:5e:00:53:02")
    return [(name, moment, frame, ours) for moment in moments]


def every_second(*taken: float) -> list[float]:
    return [float(moment) for moment in range(60) if moment not in taken]
