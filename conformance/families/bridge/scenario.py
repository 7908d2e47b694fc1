"""A bridge between four ports: what it floods, learns, forgets, keeps to itself, and never passes on.

Every step is followed by a broadcast that all other ports must see: the same path carries frames before and after.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Address
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError, power_of
from conformance.adapters.interface.ports import BridgeConfig, Bridging
from conformance.adapters.interface.views import ShowingCounters, ShowingStations
from conformance.lab.partners.wire import silence
from conformance.protocols import arp, numbered
from conformance.protocols.mac import BROADCAST, mac_text
from conformance.protocols.numbered import (
    AGED,
    CONTROL,
    COUNTED,
    FLOODED,
    LEARNED,
    MOVED,
    OWN_PORT,
    RELEARNED,
    SPOKEN,
    Numbered,
)
from conformance.protocols.reserved import RESERVED, reserved_frame
from conformance.provoking.context import Context
from conformance.provoking.ports import Link, aside, run_together
from conformance.provoking.views import show
from conformance.recording.events.bridging import BridgeReady, FrameSent, ReservedSent
from conformance.testbed import Testbed

PORTS: Final = 4
BRIDGE: Final = "plain"
RESIDENT, NEIGHBOUR, ASKER, MORTAL = (f"02:00:5e:00:53:{last:02x}" for last in (0x0A, 0x0B, 0x0C, 0x0D))
"""Stations: one that moves from the first port to the third and to the fourth, one beside it on the first port, one on
the second port that sends to them, and one on the first port that speaks once."""
RESIDENT_ADDRESS: Final = IPv4Address("192.0.2.10")
NONCE: Final = 12
MANY: Final = 20
"""Broadcasts into each port between two readings of the ports' counters."""


def shape(testbed: Testbed) -> Testbed:
    """Four ports."""
    return testbed.with_ports(PORTS)


def run(context: Context) -> None:
    """One bridge, one step after another; the ageing at the end."""
    subject = power_of(context.subject, Bridging)
    if subject is None:
        raise AdapterError("it has no bridges (see adapters/interface/ports.py, Bridging)")

    async def script(links: Sequence[Link]) -> None:
        host = context.lab.hosts[links[0].port.host]
        config = BridgeConfig(BRIDGE, tuple(link.port.name for link in links), ageing=subject.shortest_ageing)
        await aside(subject.bridge, host, (config,))
        await _await_forwarding(links)
        context.event(BridgeReady(ageing=config.ageing))
        await Steps(context, links).run(config.ageing)

    run_together(context, script)
    context.snapshot("after")


async def _await_forwarding(links: Sequence[Link]) -> None:
    """Send broadcasts from every port until each was seen elsewhere. Raises AdapterError."""
    for attempt in range(int(limits.LINK_UP / limits.BRIDGE_SETTLED)):
        heard: set[int] = set()
        ends = [link.wire.listen(partial(_note, heard, place, attempt)) for place, link in enumerate(links)]
        for link in (links[0], links[-1]):
            frame = numbered.build(Numbered(SPOKEN, attempt), BROADCAST, mac_text(link.wire.mac))
            link.wire.send(frame)
        await silence(limits.BRIDGE_SETTLED)
        for end in ends:
            end()
        if len(heard) == len(links):
            return
    raise AdapterError(f"the bridge forwards nothing within {limits.LINK_UP:g} s")


def _note(heard: set[int], place: int, attempt: int, _: int, frame: bytes) -> None:
    what = numbered.parse(frame)
    if what is not None and (what.conversation, what.number) == (SPOKEN, attempt):
        heard.add(place)


def _is(wanted: Numbered, frame: bytes) -> bool:
    return numbered.parse(frame) == wanted


class Steps:
    """What is sent into the bridge, one step after another."""

    def __init__(self, context: Context, links: Sequence[Link]) -> None:
        self.context = context
        self.first, self.second, self.third, self.fourth = links[:PORTS]
        self.controls = 0

    async def run(self, ageing: float) -> None:
        """All steps."""
        await self.control()
        self.send(self.first, FLOODED, 0, numbered.NOBODY, RESIDENT)
        await self.control()
        await self.learning()
        await self.reserved()
        await self.move()
        await aside(self.show)
        for number in range(MANY):
            for link in (self.first, self.second, self.third, self.fourth):
                link.wire.send(numbered.build(Numbered(COUNTED, number), BROADCAST, mac_text(link.wire.mac)))
        await self.age(ageing)
        await self.control()
        await aside(self.show)

    def send(self, link: Link, conversation: int, number: int, destination: str, source: str) -> None:
        """One numbered frame."""
        frame = numbered.build(Numbered(conversation, number), destination, source)
        link.send(frame, FrameSent(conversation=conversation, number=number))

    def show(self) -> None:
        """Ask the bridge for its table of stations, and for the counters of its ports, where it shows such things."""
        if "own-view" not in self.context.claims:
            return
        host = self.context.lab.hosts[self.first.port.host]
        table = power_of(self.context.subject, ShowingStations)
        if table is not None:
            show(self.context, host.name, "stations", partial(table.stations, host, BRIDGE))
        counting = power_of(self.context.subject, ShowingCounters)
        if counting is not None:
            show(self.context, host.name, "counters", partial(counting.counters, host, BRIDGE))

    async def control(self) -> None:
        """Let the bridge come to rest, then a broadcast from the first port, which teaches it the resident's place."""
        await silence(limits.BRIDGE_SETTLED)
        await self.broadcast(self.first, CONTROL, self.controls, RESIDENT)
        self.controls += 1

    async def broadcast(self, link: Link, conversation: int, number: int, source: str) -> None:
        """A broadcast, and until it is seen on the fourth port: then its sender has been learned."""
        wanted = Numbered(conversation, number)
        seen = asyncio.create_task(self.fourth.wire.first(partial(_is, wanted), limits.LINK_UP))
        self.send(link, conversation, number, BROADCAST, source)
        await seen
        await silence(limits.BRIDGE_SETTLED)

    async def learning(self) -> None:
        """A frame to a station that has spoken, from another port and from its own."""
        await self.broadcast(self.first, SPOKEN, 1000, NEIGHBOUR)
        self.send(self.second, LEARNED, 0, RESIDENT, ASKER)
        self.send(self.first, OWN_PORT, 0, RESIDENT, NEIGHBOUR)
        await self.control()

    async def reserved(self) -> None:
        """A frame to every reserved address, of the protocol that it is reserved for where there is one."""
        for address in RESERVED:
            nonce = os.urandom(NONCE)
            frame = reserved_frame(address, mac_text(self.first.wire.mac), nonce)
            self.first.send(frame, ReservedSent(address=address, nonce=nonce.hex()))
        await self.control()

    async def move(self) -> None:
        """The resident announces itself from the third port."""
        announcement = arp.request(RESIDENT, RESIDENT_ADDRESS, RESIDENT_ADDRESS)
        seen = asyncio.create_task(self.fourth.wire.first(lambda frame: frame == announcement, limits.LINK_UP))
        self.third.wire.send(announcement)
        await seen
        await silence(limits.BRIDGE_SETTLED)
        await self.reach(self.third, MOVED)
        await self.move_again()

    async def reach(self, link: Link, conversation: int) -> None:
        """Frames from the asker to the resident, until one comes out of `link` or the bridge has had its time."""
        for number in range(int(limits.BRIDGE_RELEARNED / limits.BRIDGE_SETTLED) + 1):
            wanted = partial(_is, Numbered(conversation, number))
            seen = asyncio.create_task(link.wire.first(wanted, limits.BRIDGE_SETTLED))
            self.send(self.second, conversation, number, RESIDENT, ASKER)
            if await seen is not None:
                break
        await silence(limits.BRIDGE_SETTLED)

    async def move_again(self) -> None:
        """The resident is on the fourth port, and all that it says there is one frame to the asker."""
        wanted = Numbered(SPOKEN, 1002)
        seen = asyncio.create_task(self.second.wire.first(partial(_is, wanted), limits.LINK_UP))
        self.send(self.fourth, SPOKEN, 1002, ASKER, RESIDENT)
        await seen
        await silence(limits.BRIDGE_SETTLED)
        await self.reach(self.fourth, RELEARNED)

    async def age(self, ageing: float) -> None:
        """A station speaks once; then frames go to it every second until they are flooded again."""
        self.send(self.first, SPOKEN, 1001, BROADCAST, MORTAL)
        flooded = False

        def look(_: int, frame: bytes) -> None:
            nonlocal flooded
            what = numbered.parse(frame)
            flooded |= what is not None and what.conversation == AGED

        end = self.fourth.wire.listen(look)
        for number in range(int(limits.BRIDGE_AGED * ageing) + 1):
            await silence(limits.BRIDGE_ASKED)
            self.send(self.second, AGED, number, MORTAL, ASKER)
            if flooded:
                break
        end()
