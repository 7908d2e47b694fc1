"""Two LLDP agents on the two ends of the same cables: each finds the other, and forgets it when it falls silent.

On the first cable both fall silent at the same time: nothing passes any more, and the ends keep their carrier. The
second one goes on, so that forgetting is seen to be about one port alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import power_of
from conformance.adapters.interface.lldp import Beginning, Neighbouring
from conformance.lab.partners.wire import silence
from conformance.pairs.pairing import Side, add_host, sides_of
from conformance.protocols.lldp import frames as lldp
from conformance.provoking.context import Context
from conformance.provoking.neighbours import ask
from conformance.provoking.patching import PatchedLink, both, cabled, patch, subjects_of
from conformance.provoking.ports import Link
from conformance.recording.events.discovery import NotOutlived, PairMoment, PairNeighboursShown
from conformance.testbed import Testbed

PORTS: Final = 2


def shape(testbed: Testbed) -> Testbed:
    """Two hosts, as many ports each as there are cables."""
    return add_host(testbed, PORTS)


def run(context: Context) -> None:
    """Cable them, look at both views, and let one cable fall silent."""
    sides = sides_of(context.profile, context.lab.testbed)

    async def meet(links: Sequence[Sequence[Link]]) -> None:
        async with patch(context, *links) as patched_links:
            await both(context, _begin)
            watchers = [_NeighbourWatcher(patched, end, sides[end]) for patched in patched_links for end in (0, 1)]
            await asyncio.gather(*(watcher.find() for watcher in watchers))
            with patched_links[0].black_hole():
                await asyncio.gather(*(watcher.outlive() for watcher in watchers[:2]))

    cabled(context, PORTS, meet)
    context.snapshot("after")


def _begin(_: int, subject: Any) -> None:
    beginning = power_of(subject, Beginning)
    if beginning is not None:
        beginning.discover()


class _NeighbourWatcher:
    """One agent's end of one cable: what the other told there last, and when it stops to hold."""

    def __init__(self, patched: PatchedLink, end: int, side: Side) -> None:
        self._joint, self._link, self._side = patched, patched.ends[end], side
        self._number = end
        self._far = patched.ends[1 - end].wire
        self._ttl, self._until = 0, 0.0
        self._shown = False

    async def find(self) -> None:
        """Until the other has spoken, and the agent has had the time to show it; where it shows nobody, the same once
        more after the next LLDPDU: on a busy machine an agent may not have been given a processor in between."""
        self._far.listen(self._hear)
        moments: tuple[PairMoment, PairMoment] = ("early", "met")
        for moment in moments:
            await self._far.first(lambda frame: lldp.parse(frame) is not None, limits.PAIR_LLDP_FIRST)
            await silence(limits.PAIR_LLDP_SHOWN + limits.LLDP_BUSY)
            await self._view(moment)
            if self._shown:
                break

    async def outlive(self) -> None:
        """Until what the other told is over, a view before and one after; not waited for where nobody is shown or
        that takes too long."""
        if not self._shown:
            return
        if not 0 < self._ttl <= limits.PAIR_LLDP_TTL:
            self._link.event(NotOutlived(ttl=self._ttl))
            return
        await silence(self._until - limits.LLDP_AGEING - time.monotonic())
        await self._view("valid")
        await silence(self._until + limits.LLDP_AGEING + limits.LLDP_BUSY - time.monotonic())
        await self._view("aged")

    def _hear(self, _: int, frame: bytes) -> None:
        timers = lldp.parse(frame)
        if timers is not None and timers.ttl is not None and not self._joint.relay.muted:
            self._ttl, self._until = timers.ttl, time.monotonic() + timers.ttl

    async def _view(self, moment: PairMoment) -> None:
        """Ask the agent for its neighbours on this port, and write down what it shows."""
        subject = power_of(subjects_of(self._link.context)[self._number], Neighbouring)
        if subject is None or "lldp-receive" not in self._side.profile.features:
            return
        asked = time.time_ns()
        known = await ask(self._link, subject, moment)
        if known is None:
            return
        shown = tuple((one.chassis, one.port) for one in known)
        self._shown = bool(shown)
        answered = time.time_ns()
        self._link.event(PairNeighboursShown(moment=moment, asked_ns=asked, answered_ns=answered, shown=shown))
