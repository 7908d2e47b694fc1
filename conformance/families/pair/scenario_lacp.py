"""Two switches with a group of two cables between them: they negotiate it, lose a cable in two ways, and take it back.

Stations at both switches send numbered broadcasts all the time. First the cable that carries most of them loses its
carrier at both ends, then it falls silent with its lights on, which the short timeout of LACP alone can tell. Who has
then given up on its partner speaks every 30 s alone: the fast variant takes the carrier of that cable for a second, so
that both begin anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import AdapterError, power_of
from conformance.adapters.interface.ports import Aggregating, LagConfig
from conformance.adapters.interface.views import LagMember, ShowingMembers
from conformance.lab.partners.wire import silence
from conformance.pairs.pairing import add_host
from conformance.protocols import numbered
from conformance.protocols.lacp.frames import GRANTED, State, lacpdu
from conformance.provoking.context import Context
from conformance.provoking.patching import PatchedLink, both, cabled, patch, shown
from conformance.provoking.ports import Link, window
from conformance.provoking.traffic import Traffic
from conformance.recording.events.links import Configured
from conformance.recording.events.meeting import AgreementAwaited, CarrierGiven, CarrierTaken, GroupWatched
from conformance.testbed import Testbed

PORTS: Final = 3
"""Of each side: where its station is, and two cables to the other."""
CONVERSATIONS: Final = 4
BUNDLE: Final = "lag-pair"


def shape(testbed: Testbed) -> Testbed:
    """Two hosts, with as many ports as a side needs."""
    return add_host(testbed, PORTS)


def run(context: Context) -> None:
    """Cable them, have both make a group, and lose a cable twice."""

    async def meet(sides: Sequence[Sequence[Link]]) -> None:
        stations = [side[0] for side in sides]
        async with patch(context, *(side[1:PORTS] for side in sides)) as patched_links:
            watch, traffic = _Watch(patched_links), Traffic(stations, conversations=CONVERSATIONS)
            async with asyncio.TaskGroup() as group:
                group.create_task(traffic.talk())
                try:
                    await both(context, partial(_bundle, context, sides))
                    context.event(Configured())
                    await _play(context, stations, patched_links, watch, traffic)
                finally:
                    traffic.stop()

    cabled(context, PORTS, meet)
    context.snapshot("after")


def _bundle(context: Context, sides: Sequence[Sequence[Link]], number: int, subject: Any) -> None:
    aggregating = power_of(subject, Aggregating)
    if aggregating is None:
        raise AdapterError("it aggregates no links (see adapters/interface/ports.py, Aggregating)")
    access, *rest = (link.port for link in sides[number][:PORTS])
    config = LagConfig(BUNDLE, tuple(port.name for port in rest))
    aggregating.aggregate(context.lab.hosts[access.host], access.name, [config])


async def _play(
    context: Context, stations: Sequence[Link], patched_links: Sequence[PatchedLink], watch: _Watch, traffic: Traffic
) -> None:
    await watch.agreed()
    context.event(AgreementAwaited(where="up"))
    await silence(limits.LACP_BRISK)
    async with window(context, "steady", stations):
        watch.carried.clear()
        await silence(limits.LACP_STEADY)
    await traffic.arrived()
    await _views(stations, "whole")
    busiest = max(patched_links, key=lambda patched: watch.carried[patched.name])
    busiest.event(CarrierTaken())
    with busiest.carrier_down():
        await silence(limits.LACP_LOSS + limits.LACP_MARGIN)
    busiest.event(CarrierGiven())
    watch.forget()
    await watch.agreed()
    context.event(AgreementAwaited(where="severed"))
    await silence(limits.LACP_BRISK + limits.LACP_MARGIN)
    await traffic.arrived()
    with busiest.black_hole():
        await silence(limits.LACP_EXPIRED + limits.LACP_DEFAULTED + limits.LACP_MARGIN)
        await _views(stations, "deaf")
    watch.forget()
    if context.variant == "fast":  # who has given up on its partner speaks every 30 s; a carrier has it speak at once
        with busiest.carrier_down():
            await silence(limits.LACP_BRISK)
    await watch.agreed(limits.LACP_SLOW_PERIOD)
    context.event(AgreementAwaited(where="deaf"))
    await silence(limits.LACP_BRISK + limits.LACP_MARGIN)
    context.event(GroupWatched())
    await traffic.arrived()


async def _views(stations: Sequence[Link], moment: str) -> None:
    """What both show of their group now."""
    await asyncio.gather(*(shown(link, side, moment, partial(_members, link)) for side, link in enumerate(stations)))


def _members(link: Link, subject: Any) -> Sequence[LagMember] | None:
    showing = power_of(subject, ShowingMembers)
    return None if showing is None else showing.members(link.context.lab.hosts[link.port.host], BUNDLE)


class _Watch:
    """What the ends of the cables say of themselves, and how many numbered frames each cable carried."""

    def __init__(self, patched_links: Sequence[PatchedLink]) -> None:
        self._links = [(patched, link) for patched in patched_links for link in patched.ends]
        self._states: dict[str, State] = {}
        self._all = asyncio.Event()
        self.carried: Counter[str] = Counter()
        for patched, link in self._links:
            link.wire.listen(partial(self._hear, patched.name, link.name))

    def _hear(self, patched: str, name: str, _: int, frame: bytes) -> None:
        told = lacpdu(frame)
        if told is not None:
            self._states[name] = told.actor.state
            if all(GRANTED in self._states.get(link.name, State(0)) for _, link in self._links):
                self._all.set()
        self.carried[patched] += numbered.parse(frame) is not None

    def forget(self) -> None:
        """What was said before does not count."""
        self._states.clear()
        self._all.clear()

    async def agreed(self, longer: float = 0.0) -> None:
        """Until every end says that it distributes, or the deadline passes, with so many seconds more."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all.wait(), limits.LACP_UP + longer)
