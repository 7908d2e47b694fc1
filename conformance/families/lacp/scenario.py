"""Link aggregation: groups of ports, each with a partner that behaves in its own way, all at the same time.

The first port is the access port: numbered frames go in there, and whatever the switch floods comes out of every group
that distributes. `GROUPS` says who the partner of each group is.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import AdapterError, power_of
from conformance.adapters.interface.ports import Aggregating, LagConfig
from conformance.lab.lab import documentation_mac
from conformance.lab.partners.driver import Driver
from conformance.lab.partners.wire import silence
from conformance.protocols import numbered
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lacp.frames import GRANTED, Marker, State, lacpdu
from conformance.protocols.lacp.participant import ParticipantConduct, System
from conformance.protocols.mac import mac_text
from conformance.protocols.numbered import Numbered
from conformance.provoking.context import Context
from conformance.provoking.ports import Link, aside, carrier, run_together, window
from conformance.recording.events import Event
from conformance.recording.events.aggregation import (
    DistributionAwaited,
    LinkLost,
    LongTimeoutAsked,
    MalformedSent,
    MarkerSent,
    OwnSystemClaimed,
    PartnerChanged,
    PartnerInStep,
    PartnerReady,
    PartnerSilent,
    PartnerSpeaks,
    ShortTimeoutAsked,
)
from conformance.recording.events.links import Configured, GroupMade
from conformance.testbed import Testbed

CONVERSATIONS: Final = 4
PASSIVE: Final = "asked"
"""The group in which the implementation is passive."""
PATIENT: Final = "patient"
"""The group in which the implementation has the long timeout."""
FIRST_SYSTEM: Final = 0xC0
"""Number of the documentation MAC address that is the system of the first group's partner."""
KEY: Final = 7


@dataclass
class Arrangement:
    """One group at work: its name, its links, and what the scenario shares."""

    name: str
    links: Sequence[Link]
    context: Context
    mac: str
    ready: asyncio.Event
    pace: list[float]

    def event(self, event: Event) -> None:
        """Write down that something happened to this group now."""
        self.context.event(replace(event, where=self.name))

    def system(self, conduct: ParticipantConduct | None = None, **options: Any) -> System:
        """A partner with a port on each link; all ports share the conduct."""
        made = System(self.mac, key=KEY, wait=0.0, **options)
        for link in self.links:
            made.port(mac_text(link.wire.mac), conduct=conduct or ParticipantConduct())
        return made

    def seat(self, system: System) -> Driver:
        """The partner on the links of this group."""
        return Driver(system, [link.wire for link in self.links])

    async def up(self, driver: Driver, system: System) -> bool:
        """Wait until every port of the partner distributes; says so in the record."""
        await self.ready.wait()
        came = await driver.until(lambda: all(port.distributing for port in system.ports), limits.LACP_UP)
        self.event(DistributionAwaited())
        return came


Play = Callable[[Arrangement], Coroutine[Any, Any, None]]


async def _sound(arrangement: Arrangement) -> None:
    """A partner that keeps the standard; then a marker, then a link is lost."""
    system = arrangement.system()
    with arrangement.seat(system) as driver:
        await arrangement.up(driver, system)
        carried = [0] * len(arrangement.links)
        ends = [link.wire.listen(partial(_count, carried, place)) for place, link in enumerate(arrangement.links)]
        async with window(arrangement.context, "steady", arrangement.links):
            await silence(limits.LACP_STEADY)
        for end in ends:
            end()
        for link, port in zip(arrangement.links, system.ports, strict=True):
            asked = Marker(lacp.MARKER_INFORMATION, port.number, system.mac, 0x504C5547 + port.number)
            link.send(asked.build(port.mac), MarkerSent(transaction=asked.transaction))
        await silence(limits.MARKER_RESPONSE)
        arrangement.pace[0] = limits.LACP_TALK_FINE
        await silence(limits.LACP_BRISK)
        busiest = arrangement.links[carried.index(max(carried))]
        arrangement.event(LinkLost(port=busiest.name))
        with carrier(busiest, up=False):
            await silence(limits.LACP_LOSS)
        arrangement.pace[0] = limits.LACP_TALK


def _count(carried: list[int], place: int, _: int, frame: bytes) -> None:
    carried[place] += numbered.parse(frame) is not None


async def _hushed(arrangement: Arrangement, timeout: float = limits.LACP_EXPIRED) -> None:
    """A partner that falls silent while the link stays up; the implementation has that `timeout`, in s."""
    conduct = ParticipantConduct()
    system = arrangement.system(conduct)
    with arrangement.seat(system) as driver:
        await arrangement.up(driver, system)
        await silence(limits.LACP_BRISK)
        conduct.mute = True
        arrangement.event(PartnerSilent(timeout=timeout))
        async with window(arrangement.context, arrangement.name, arrangement.links):
            await silence(timeout + limits.LACP_DEFAULTED + limits.LACP_FAST + limits.LACP_MARGIN)


async def _stepwise(arrangement: Arrangement) -> None:
    """A partner that is out of step at first, then in step without collecting, then in order."""
    conduct = ParticipantConduct(withheld=GRANTED)
    system = arrangement.system(conduct)
    with arrangement.seat(system) as driver:
        await arrangement.ready.wait()
        await driver.until(lambda: all(not port.defaulted for port in system.ports), limits.LACP_UP)
        async with window(arrangement.context, "out-of-step", arrangement.links):
            await silence(limits.LACP_STEP)
        for event, withheld in ((PartnerInStep(), GRANTED & ~State.SYNCHRONIZATION), (PartnerReady(), State(0))):
            conduct.withheld = withheld
            for port in system.ports:
                port.need_to_transmit = True
            arrangement.event(event)
            driver.poke()
            await silence(limits.LACP_STEP)


async def _mixed(arrangement: Arrangement) -> None:
    """Ports of one group that see one partner, the same system with another key, and another system."""
    first, stranger = arrangement.system(), System(documentation_mac(FIRST_SYSTEM + 0x1F), key=KEY, wait=0.0)
    first.ports[1].key = KEY + 1
    first.ports.pop()
    stranger.port(mac_text(arrangement.links[2].wire.mac))
    with Driver(first, [link.wire for link in arrangement.links[:2]]), Driver(stranger, [arrangement.links[2].wire]):
        await arrangement.ready.wait()
        await silence(limits.LACP_STEP)
        async with window(arrangement.context, "mixed", arrangement.links):
            await silence(limits.LACP_STEP)


async def _itself(arrangement: Arrangement) -> None:
    """A partner that says it is the implementation's own system, as a link back to itself would."""
    await arrangement.ready.wait()
    heard = await arrangement.links[0].wire.first(_is_lacpdu, limits.LACP_UP)
    own = None if heard is None else lacpdu(heard)
    if own is None:
        return
    system = System(own.actor.system, key=own.actor.key, priority=own.actor.system_priority, wait=0.0)
    for number, link in enumerate(arrangement.links):
        system.port(mac_text(link.wire.mac), conduct=ParticipantConduct(loops=True), number=0x100 + number)
    arrangement.event(OwnSystemClaimed(system=system.mac))
    with arrangement.seat(system):
        await silence(limits.LACP_STEP)
        async with window(arrangement.context, "itself", arrangement.links):
            await silence(limits.LACP_STEP)


async def _asked(arrangement: Arrangement) -> None:
    """The implementation is passive: nobody speaks, then the partner does."""
    await arrangement.ready.wait()
    await silence(limits.LACP_BRISK)
    long = arrangement.context.variant == "thorough"
    async with window(arrangement.context, "unasked", arrangement.links):
        await silence(limits.LACP_PASSIVE if long else limits.LACP_PASSIVE_FAST)
    system = arrangement.system()
    with arrangement.seat(system) as driver:
        arrangement.event(PartnerSpeaks())
        await arrangement.up(driver, system)


async def _slow(arrangement: Arrangement) -> None:
    """A partner that asks for the long timeout, then for the short one: never as the slow timer is about to end
    anyway, or who does not heed it could look as if."""
    system = arrangement.system(short=False)
    heard: dict[int, int] = {}
    with contextlib.ExitStack() as ends, arrangement.seat(system) as driver:
        for number, link in enumerate(arrangement.links):
            ends.callback(link.wire.listen(partial(_remember, heard, number)))
        await arrangement.up(driver, system)
        await silence(limits.LACP_BRISK)
        arrangement.event(LongTimeoutAsked())
        long = arrangement.context.variant == "thorough"
        await silence(limits.LACP_SLOW if long else limits.LACP_SLOW_FAST)
        for number, link in enumerate(arrangement.links):
            if time.time_ns() - heard.get(number, 0) > limits.LACP_SLOW_PERIOD / 2 * 1e9:
                await link.wire.first(_is_lacpdu, limits.LACP_SLOW_PERIOD + limits.LACP_MARGIN)
        system.short = True
        for port in system.ports:
            port.need_to_transmit = True
        arrangement.event(ShortTimeoutAsked())
        driver.poke()
        await silence(limits.LACP_STEADY)


def _is_lacpdu(frame: bytes) -> bool:
    return lacpdu(frame) is not None


def _remember(heard: dict[int, int], number: int, moment: int, frame: bytes) -> None:
    if _is_lacpdu(frame):
        heard[number] = moment


async def _changing(arrangement: Arrangement) -> None:
    """A partner that changes what it tells of itself, one thing after another."""
    system = arrangement.system()
    with arrangement.seat(system) as driver:
        await arrangement.up(driver, system)
        for what, value in (("priority", 0x1234), ("key", 0x77), ("system_priority", 0x4321)):
            for port in system.ports:
                if what == "system_priority":
                    system.priority = value
                else:
                    setattr(port, what, value)
                port.need_to_transmit = True
            arrangement.event(PartnerChanged(what=what, value=value))
            driver.poke()
            await silence(limits.LACP_ECHO)


def malformed(good: bytes) -> dict[str, bytes]:
    """LACPDUs that are broken in several ways, made of a good one; the true content stays where it can be read."""
    return {
        "over-long": good + bytes(400),
        "version 2 with further TLVs": good[:15] + b"\x02" + good[16:72] + b"\x04\x06\x00\x01\x02\x03" + bytes(46),
        "cut within the actor": good[:30],
        "cut within the partner": good[:50],
        "only a header": good[:16],
        "actor of no length": good[:17] + b"\x00" + good[18:],
        "actor longer than the frame": good[:17] + b"\xff" + good[18:],
        "subtype 10 of nobody": good[:14] + b"\x0a" + good[15:],
        "subtype 255": good[:14] + b"\xff" + good[15:],
    }


async def _abused(arrangement: Arrangement) -> None:
    """Broken LACPDUs arrive between good ones; then the partner changes something, which a living agent repeats."""
    system = arrangement.system()
    with arrangement.seat(system) as driver:
        if not await arrangement.up(driver, system):
            return
        for link, port in zip(arrangement.links, system.ports, strict=True):
            good = lacp.Lacpdu(port.actor, port.partner).build(port.mac)
            for frame in malformed(good).values():
                link.wire.send(frame)
        for port in system.ports:
            port.need_to_transmit, port.priority = True, 0x2345
        await silence(limits.LACP_FAST)
        arrangement.event(MalformedSent())
        driver.poke()
        async with window(arrangement.context, "abused", arrangement.links):
            await silence(limits.LACP_STEADY)


async def _mute(arrangement: Arrangement) -> None:
    """A partner that says nothing: an active implementation speaks all the same."""
    await arrangement.ready.wait()
    async with window(arrangement.context, "mute", arrangement.links):
        await silence(limits.LACP_EXPIRED + limits.LACP_DEFAULTED + limits.LACP_MARGIN)


@dataclass(frozen=True)
class Group:
    """A group of ports and what their partner does; `thorough` ones are made in that variant alone."""

    ports: int
    run_together: Play = field(repr=False)
    thorough: bool = False


GROUPS: Final[Mapping[str, Group]] = {
    "sound": Group(2, _sound),
    "hushed": Group(2, _hushed),
    "stepwise": Group(2, _stepwise),
    "mixed": Group(3, _mixed),
    "itself": Group(2, _itself),
    PASSIVE: Group(2, _asked),
    "slow": Group(2, _slow),
    "changing": Group(2, _changing),
    "abused": Group(2, _abused),
    "mute": Group(2, _mute),
    PATIENT: Group(2, partial(_hushed, timeout=limits.LACP_EXPIRED_LONG), thorough=True),
}
PORTS: Final = 1 + sum(group.ports for group in GROUPS.values())


def shape(testbed: Testbed) -> Testbed:
    """As many ports as the groups need."""
    return testbed.with_ports(PORTS)


def run(context: Context) -> None:
    """All groups at the same time."""
    subject = power_of(context.subject, Aggregating)
    if subject is None:
        raise AdapterError("it aggregates no links (see adapters/interface/ports.py, Aggregating)")

    async def script(links: Sequence[Link]) -> None:
        if len(links) < PORTS:
            raise AdapterError(f"{PORTS} ports are needed, it has {len(links)}")
        ready, pace = asyncio.Event(), [limits.LACP_TALK]
        arrangements = _arrangements(context, links, ready, pace)
        configs = [
            LagConfig(
                f"lag-{arrangement.name}",
                tuple(link.port.name for link in arrangement.links),
                active=arrangement.name != PASSIVE,
                short=arrangement.name != PATIENT,
            )
            for arrangement in arrangements
        ]
        host = context.lab.hosts[links[0].port.host]
        async with asyncio.TaskGroup() as groups:
            stopped = asyncio.Event()
            talk = groups.create_task(_talk(links[0], pace, stopped))
            plays = [
                groups.create_task(GROUPS[arrangement.name].run_together(arrangement)) for arrangement in arrangements
            ]
            await aside(partial(subject.aggregate, host, links[0].port.name, configs))
            context.event(Configured())
            ready.set()
            await asyncio.wait(plays)
            stopped.set()
            await talk

    run_together(context, script)
    context.snapshot("after")


def _arrangements(
    context: Context, links: Sequence[Link], ready: asyncio.Event, pace: list[float]
) -> list[Arrangement]:
    arrangements, first = [], 1
    for number, (name, group) in enumerate(GROUPS.items()):
        mine = links[first : first + group.ports]
        first += group.ports
        if group.thorough and context.variant != "thorough":
            continue
        arrangements.append(Arrangement(name, mine, context, documentation_mac(FIRST_SYSTEM + number), ready, pace))
        context.event(GroupMade(where=name, ports=tuple(link.name for link in mine)))
    return arrangements


async def _talk(access: Link, pace: list[float], stopped: asyncio.Event) -> None:
    """Numbered frames into the access port until told to stop."""
    number = 0
    while not stopped.is_set():
        for conversation in range(CONVERSATIONS):
            access.wire.send(numbered.build(Numbered(conversation, number)))
        number += 1
        await silence(pace[0])
