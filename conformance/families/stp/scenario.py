"""Spanning trees: several bridges of the implementation, each with a partner that behaves in its own way.

A loop that the lab counts and cuts, a better root that changes the topology and then falls silent, a worse one, a
notification, a neighbour that speaks the old version, a listener, and a bridge whose spanning tree is off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import AdapterError, power_of
from conformance.adapters.interface.ports import BridgeConfig, Bridging, SpanningTree
from conformance.lab.lab import documentation_mac
from conformance.lab.partners.driver import Driver
from conformance.lab.partners.relay import Relay
from conformance.lab.partners.wire import silence
from conformance.protocols import numbered
from conformance.protocols.mac import BROADCAST, mac_text
from conformance.protocols.numbered import CONTROL, FLUSHED, LEARNED, LOOPED, SPOKEN, Numbered
from conformance.protocols.stp import frames as stp
from conformance.protocols.stp.bridge import Speaker
from conformance.protocols.stp.frames import RSTP, STP, Bpdu, bridge_id
from conformance.protocols.stp.times import DEFAULT, SHORTEST, Times
from conformance.provoking.context import Context
from conformance.provoking.ports import Link, aside, run_together
from conformance.recording.events import Event
from conformance.recording.events.bridging import (
    ChangeNotified,
    ClaimsBurst,
    HellosHeard,
    LoopCut,
    LoopProbed,
    PassageAwaited,
    RootSilent,
    StationTaught,
    TopologyChanged,
    TreesReady,
)
from conformance.recording.events.links import GroupMade
from conformance.testbed import Testbed

RESIDENT, ASKER = "02:00:5e:00:53:1a", "02:00:5e:00:53:1b"
BEST, WORST = 0x0000, 0xF000
"""Bridge priorities of our claims; the default, which the implementation has, is 0x8000."""
BURST: Final = 30
LOOP_LIMIT: Final = 16
"""Copies of one broadcast on a loop at which the lab cuts it."""


@dataclass
class Arrangement:
    """One bridge at work: its links, and what the scenario shares."""

    name: str
    links: Sequence[Link]
    context: Context
    version: int
    times: Times
    ready: asyncio.Event

    def event(self, event: Event) -> None:
        """Write down that something happened to this bridge now."""
        self.context.event(replace(event, where=self.name))

    def speaker(self, link: Link, priority: int, number: int, version: int | None = None) -> Speaker:
        """A partner with that priority on a link, with the times of the scenario."""
        made = Speaker(
            bridge_id(priority, documentation_mac(number)),
            self.version if version is None else version,
            hello=self.times.hello,
            max_age=self.times.max_age,
            forward_delay=self.times.forward_delay,
        )
        made.port(mac_text(link.wire.mac))
        return made

    @property
    def converged(self) -> float:
        """When every port that may forward does so, in s: twice the forward delay, with room for a busy machine."""
        return 2 * self.times.forward_delay + limits.STP_MARGIN


Play = Callable[[Arrangement], Coroutine[Any, Any, None]]


async def _loop(arrangement: Arrangement) -> None:
    """Two ports of one bridge on one link of ours; broadcasts from a third port all the time."""
    access, *both = arrangement.links
    relay = Relay([link.wire for link in both], LOOP_LIMIT)
    with relay:
        await arrangement.ready.wait()
        end = asyncio.get_running_loop().time() + arrangement.converged + limits.STP_LOOKED_AT
        number = 0
        while asyncio.get_running_loop().time() < end and relay.cut is None:
            access.wire.send(numbered.build(Numbered(LOOPED, number), BROADCAST, ASKER))
            number += 1
            await silence(limits.STP_PROBE)
    if relay.cut is not None:
        arrangement.event(LoopCut(number=relay.cut.number, copies=LOOP_LIMIT))
    arrangement.event(LoopProbed(probes=number, copies=relay.most))


async def _better(arrangement: Arrangement) -> None:
    """A better root: it is adopted, tells of a topology change, and falls silent. Beside the station that is to be
    forgotten is a bridge, which agrees to everything: behind a port with stations alone (an edge port) none is."""
    root_side, station, asker = arrangement.links
    speaker, beside = arrangement.speaker(root_side, BEST, 0xD0), arrangement.speaker(station, WORST, 0xD4)
    with Driver(speaker, [root_side.wire]) as driver, Driver(beside, [station.wire]):
        await arrangement.ready.wait()
        if not await _passes(arrangement, asker, station):
            return
        if arrangement.version == RSTP:  # it converges before it has greeted twice
            await silence(2 * arrangement.times.hello + limits.BRIDGE_SETTLED)
        await _teach(arrangement, station, asker)
        speaker.changing_until = (
            asyncio.get_running_loop().time() + arrangement.times.max_age + arrangement.times.forward_delay
        )
        speaker.hello_at = 0.0
        arrangement.event(TopologyChanged())
        driver.poke()
        await _ask_until_flooded(arrangement, asker, root_side)
        speaker.silent = True
        arrangement.event(RootSilent())
        deadline = arrangement.times.max_age + arrangement.times.hello + limits.STP_MARGIN
        await root_side.wire.first(lambda frame: _claims_itself(frame, speaker.identifier), deadline)


def _claims_itself(frame: bytes, ours: bytes) -> bool:
    told = stp.parse(frame)
    return told is not None and told.type != stp.TOPOLOGY_CHANGE_NOTIFICATION and told.root not in (ours, bytes(8))


async def _passes(arrangement: Arrangement, here: Link, there: Link) -> bool:
    """Send broadcasts until one passes from one link to another; says so in the record."""
    deadline = 2 * arrangement.times.forward_delay + limits.LINK_UP
    arrived = asyncio.ensure_future(there.wire.first(_is(CONTROL), deadline))
    number = 0
    while not arrived.done():
        here.wire.send(numbered.build(Numbered(CONTROL, number), BROADCAST, ASKER))
        number += 1
        await silence(limits.STP_ASK)
    passes = arrived.result() is not None
    arrangement.event(PassageAwaited())
    return passes


def _is(conversation: int) -> Callable[[bytes], bool]:
    def look(frame: bytes) -> bool:
        what = numbered.parse(frame)
        return what is not None and what.conversation == conversation

    return look


async def _teach(arrangement: Arrangement, station: Link, asker: Link) -> None:
    """A station speaks on its link; a frame to it shows that it is learned."""
    station.wire.send(numbered.build(Numbered(SPOKEN, 0), BROADCAST, RESIDENT))
    await silence(limits.BRIDGE_SETTLED)
    asker.wire.send(numbered.build(Numbered(LEARNED, 0), RESIDENT, ASKER))
    await silence(limits.BRIDGE_SETTLED)
    arrangement.event(StationTaught())


async def _ask_until_flooded(arrangement: Arrangement, asker: Link, elsewhere: Link) -> None:
    """Frames to the station until one is flooded: then it has been forgotten."""
    deadline = 2 * arrangement.times.forward_delay + arrangement.times.hello + limits.STP_MARGIN
    flooded = asyncio.ensure_future(elsewhere.wire.first(_is(FLUSHED), deadline))
    number = 0
    while not flooded.done():
        asker.wire.send(numbered.build(Numbered(FLUSHED, number), RESIDENT, ASKER))
        number += 1
        await silence(limits.STP_ASK)
    await flooded


async def _worse(arrangement: Arrangement) -> None:
    """A worse root that insists; then many of its claims at once, then a notification of STP."""
    (link,) = arrangement.links
    speaker = arrangement.speaker(link, WORST, 0xD1)
    speaker.insists = True
    with Driver(speaker, [link.wire]):
        await arrangement.ready.wait()
        await silence(arrangement.converged)
        claim = Bpdu(
            stp.RAPID if arrangement.version == RSTP else stp.CONFIGURATION,
            arrangement.version,
            stp.DESIGNATED << 2 if arrangement.version == RSTP else 0,
            speaker.identifier,
            0,
            speaker.identifier,
            0x8001,
            max_age=arrangement.times.max_age,
            hello=arrangement.times.hello,
            forward_delay=arrangement.times.forward_delay,
        ).build(mac_text(link.wire.mac))
        arrangement.event(ClaimsBurst(claims=BURST))
        for _ in range(BURST):
            link.wire.send(claim)
        await silence(arrangement.times.hello)
        if arrangement.version == STP:
            await _notify(arrangement)


async def _notify(arrangement: Arrangement) -> None:
    """A topology change notification of STP."""
    (link,) = arrangement.links
    note = Bpdu(stp.TOPOLOGY_CHANGE_NOTIFICATION, STP).build(mac_text(link.wire.mac))
    link.send(note, ChangeNotified())
    await silence(2 * arrangement.times.hello + limits.STP_MARGIN)


async def _legacy(arrangement: Arrangement) -> None:
    """A worse bridge that speaks the old version only; then it notifies."""
    (link,) = arrangement.links
    await arrangement.ready.wait()
    await link.wire.first(lambda frame: stp.parse(frame) is not None, limits.LINK_UP)
    speaker = arrangement.speaker(link, WORST, 0xD2, STP)
    speaker.insists = True
    with Driver(speaker, [link.wire]):
        await silence(max(limits.STP_MIGRATION, 2 * arrangement.times.forward_delay) + 3 * arrangement.times.hello)
        await _notify(arrangement)  # only a port that forwards takes notice


async def _hello(arrangement: Arrangement) -> None:
    """A listener."""
    await arrangement.ready.wait()
    await silence(limits.STP_HELLOS * arrangement.times.hello + limits.STP_MARGIN)
    arrangement.event(HellosHeard())


async def _off(arrangement: Arrangement) -> None:
    """BPDUs into a bridge whose spanning tree is off, between broadcasts that cross it."""
    here, there = arrangement.links
    await arrangement.ready.wait()
    if not await _passes(arrangement, here, there):
        return
    source = mac_text(here.wire.mac)
    claim = bridge_id(WORST, documentation_mac(0xD3))
    rapid = stp.DESIGNATED << 2
    for kind, version, flags in ((stp.CONFIGURATION, STP, 0), (stp.RAPID, RSTP, rapid)):
        here.wire.send(Bpdu(kind, version, flags, claim, 0, claim, 0x8001).build(source))
    await silence(limits.BRIDGE_SETTLED)
    await _passes(arrangement, here, there)


@dataclass(frozen=True)
class Bridge:
    """A bridge of the implementation: its ports, whether its spanning tree is on, and what its partner does."""

    ports: int
    run_together: Play = field(repr=False)
    spanning: bool = True
    rapid: bool = False


BRIDGES: Final[Mapping[str, Bridge]] = {
    "loop": Bridge(3, _loop),
    "better": Bridge(3, _better),
    "worse": Bridge(1, _worse),
    "hello": Bridge(1, _hello),
    "off": Bridge(2, _off, spanning=False),
    "legacy": Bridge(1, _legacy, rapid=True),
}
PORTS: Final = sum(one.ports for one in BRIDGES.values())


def shape(testbed: Testbed) -> Testbed:
    """As many ports as the bridges need."""
    return testbed.with_ports(PORTS)


def run(context: Context) -> None:
    """All bridges at the same time."""
    subject = power_of(context.subject, Bridging)
    if subject is None:
        raise AdapterError("it has no bridges (see adapters/interface/ports.py, Bridging)")
    version = RSTP if "rstp" in context.claims else STP
    times = SHORTEST if context.variant == "fast" else DEFAULT

    async def script(links: Sequence[Link]) -> None:
        if len(links) < PORTS:
            raise AdapterError(f"{PORTS} ports are needed, it has {len(links)}")
        ready = asyncio.Event()
        arrangements = _arrangements(context, links, version, times, ready)
        host = context.lab.hosts[links[0].port.host]
        async with asyncio.TaskGroup() as group:
            for arrangement in arrangements:
                group.create_task(BRIDGES[arrangement.name].run_together(arrangement))
            await aside(partial(subject.bridge, host, [_config(arrangement) for arrangement in arrangements]))
            context.event(TreesReady(version=version, hello=times.hello, forward_delay=times.forward_delay))
            ready.set()

    run_together(context, script)
    context.snapshot("after")


def _arrangements(
    context: Context, links: Sequence[Link], version: int, times: Times, ready: asyncio.Event
) -> list[Arrangement]:
    arrangements, first = [], 0
    for name, one in BRIDGES.items():
        mine = links[first : first + one.ports]
        first += one.ports
        if one.rapid and version != RSTP:
            continue
        arrangements.append(Arrangement(name, mine, context, version, times, ready))
        context.event(GroupMade(where=name, ports=tuple(link.name for link in mine)))
    return arrangements


def _config(arrangement: Arrangement) -> BridgeConfig:
    kind: SpanningTree = "rstp" if arrangement.version == RSTP else "stp"
    return BridgeConfig(
        f"br-{arrangement.name}",
        tuple(link.port.name for link in arrangement.links),
        spanning=kind if BRIDGES[arrangement.name].spanning else "off",
        hello=arrangement.times.hello,
        max_age=arrangement.times.max_age,
        forward_delay=arrangement.times.forward_delay,
    )
