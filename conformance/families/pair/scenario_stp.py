"""Two bridges with two cables between them: one root, one way, and the other way when that is lost.

Twice at the same time, so that each of the two is the root once. A station at each bridge sends numbered broadcasts all
the time: where there is a loop they multiply, which cuts the cable at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import AdapterError, power_of
from conformance.adapters.interface.ports import BridgeConfig, Bridging
from conformance.adapters.interface.views import FdbEntry, ShowingStations
from conformance.lab.partners.wire import silence, within
from conformance.pairs.pairing import SIDES, Side, add_host, sides_of
from conformance.protocols import numbered
from conformance.protocols.mac import BROADCAST
from conformance.protocols.stp.times import DEFAULT, SHORTEST, Times
from conformance.provoking.context import Context
from conformance.provoking.patching import PatchedLink, both, cabled, patch, shown
from conformance.provoking.ports import Link, window
from conformance.provoking.traffic import Traffic
from conformance.recording.events.bridging import LoopCut
from conformance.recording.events.links import Configured
from conformance.recording.events.meeting import BridgesJoined, CarrierTaken, SideName
from conformance.testbed import Testbed

NANO: Final = 10**9
EACH: Final = 3
"""Ports of one bridge: where its station is, and two cables to the other bridge."""
PORTS: Final = EACH * len(SIDES)
BEST: Final = 0x1000
DEFAULT_PRIORITY: Final = 0x8000


def shape(testbed: Testbed) -> Testbed:
    """Two hosts, with a bridge each for either root."""
    return add_host(testbed, PORTS)


@dataclass
class Rooting:
    """A pair of bridges, of which that of the side `root` is to be the root."""

    number: int
    context: Context
    times: Times
    sides: Sequence[Sequence[Link]]
    carried: Counter[str] = field(default_factory=Counter)

    @property
    def root(self) -> SideName:
        """Whose bridge is the root."""
        return SIDES[self.number]

    @property
    def name(self) -> str:
        """What windows and events call it."""
        return f"{self.root}-root"

    @property
    def stations(self) -> list[Link]:
        """The ports at which stations are, the left side's first."""
        return [side[self.number * EACH] for side in self.sides]

    def cables(self, side: int) -> Sequence[Link]:
        """The ports of a side from which cables lead to the other."""
        return self.sides[side][self.number * EACH + 1 : (self.number + 1) * EACH]

    @property
    def converged(self) -> float:
        """When every port that may forward does so, in s: twice the forward delay, with room for a busy machine."""
        return 2 * self.times.forward_delay + limits.STP_MARGIN


def run(context: Context) -> None:
    """Cable them, and lose the cable in use of either root."""
    times = SHORTEST if context.variant == "fast" else DEFAULT
    whose = sides_of(context.profile, context.lab.testbed)

    async def meet(sides: Sequence[Sequence[Link]]) -> None:
        rootings = [Rooting(number, context, times, sides) for number in range(len(SIDES))]
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for rooting in rootings:
                group.create_task(_play(rooting, ready))
            await both(context, partial(_bridge, rootings, whose))
            context.event(Configured())
            ready.set()

    cabled(context, PORTS, meet)
    context.snapshot("after")


def _bridge(rootings: Sequence[Rooting], whose: Sequence[Side], side: int, subject: Any) -> None:
    bridging = power_of(subject, Bridging)
    if bridging is None:
        raise AdapterError("it has no bridges (see adapters/interface/ports.py, Bridging)")
    configs = [
        BridgeConfig(
            f"br-{rooting.name}",
            tuple(link.port.name for link in (rooting.stations[side], *rooting.cables(side))),
            spanning="rstp" if "rstp" in whose[side].profile.features else "stp",
            hello=rooting.times.hello,
            max_age=rooting.times.max_age,
            forward_delay=rooting.times.forward_delay,
            priority=BEST if rooting.number == side else DEFAULT_PRIORITY,
        )
        for rooting in rootings
    ]
    host = rootings[0].context.lab.hosts[rootings[0].stations[side].port.host]
    bridging.bridge(host, configs)


async def _play(rooting: Rooting, ready: asyncio.Event) -> None:
    context = rooting.context
    async with patch(context, rooting.cables(0), rooting.cables(1)) as patched_links:
        left, right = rooting.stations
        joined = BridgesJoined(
            where=rooting.name,
            root=rooting.root,
            converged=rooting.converged,
            stations=(left.name, right.name),
            cables=tuple(patched.name for patched in patched_links),
        )
        context.event(joined)
        for patched in patched_links:
            for link in patched.ends:
                link.wire.listen(partial(_count, rooting, patched.name))
        await ready.wait()
        traffic = Traffic(rooting.stations, destination=BROADCAST)
        async with asyncio.TaskGroup() as group:
            group.create_task(traffic.talk())
            try:
                await _lose(rooting, patched_links, traffic)
            finally:
                traffic.stop()


def _count(rooting: Rooting, patched: str, _: int, frame: bytes) -> None:
    rooting.carried[patched] += numbered.parse(frame) is not None


async def _lose(rooting: Rooting, patched_links: Sequence[PatchedLink], traffic: Traffic) -> None:
    """Let the tree be made, look at it, and take the cable away by which most passes."""
    await _flows(rooting)
    rooting.carried.clear()
    async with window(rooting.context, f"steady {rooting.name}", rooting.stations):
        await silence(limits.STP_LOOKED_AT)
    await traffic.arrived()
    await asyncio.gather(
        *(
            shown(link, side, rooting.name, partial(_stations, rooting, link))
            for side, link in enumerate(rooting.stations)
        )
    )
    for patched in patched_links:
        if patched.relay.cut is not None:
            patched.event(LoopCut(number=patched.relay.cut.number, copies=patched.relay.most))
            return
    busiest = max(patched_links, key=lambda patched: rooting.carried[patched.name])
    busiest.event(CarrierTaken())
    with busiest.carrier_down():
        await _flows(rooting)
        async with window(rooting.context, f"healed {rooting.name}", rooting.stations):
            await silence(limits.STP_LOOKED_AT)
        await traffic.arrived()


def _stations(rooting: Rooting, link: Link, subject: Any) -> Sequence[FdbEntry] | None:
    showing = power_of(subject, ShowingStations)
    return (
        None if showing is None else showing.stations(rooting.context.lab.hosts[link.port.host], f"br-{rooting.name}")
    )


async def _flows(rooting: Rooting) -> None:
    """Until both stations have heard each other for a while without a gap, or until that is long overdue; at least for
    as long as ports may need that should not forward at all."""
    begin = time.monotonic()
    runs = [_Run(station, 1 - number) for number, station in enumerate(rooting.stations)]
    with ExitStack() as ends:
        for run in runs:
            ends.callback(run.end)
        await within(2 * rooting.converged, _all(runs))
        await silence(begin + rooting.converged - time.monotonic())


async def _all(runs: Sequence[_Run]) -> None:
    for run in runs:
        await run.long.wait()


class _Run:
    """What a station hears of the other one: since when there has been no gap."""

    def __init__(self, station: Link, conversation: int) -> None:
        self.long = asyncio.Event()
        self.since_ns = 0
        self._last = 0
        self._conversation = conversation
        self.end = station.wire.listen(self._hear)

    def _hear(self, moment: int, frame: bytes) -> None:
        what = numbered.parse(frame)
        if what is None or what.conversation != self._conversation:
            return
        if not self.since_ns or what.number > self._last + 1:
            self.since_ns = moment
            self.long.clear()
        self._last = what.number
        if moment - self.since_ns > limits.STP_HELLO * NANO:
            self.long.set()
