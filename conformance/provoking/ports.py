"""What link scenarios share: the implementation's ports with our wires on them, all scripts on one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from conformance import limits
from conformance.adapters.interface import AdapterError, power_of
from conformance.adapters.interface.ports import Linking, Port
from conformance.lab import snapshot
from conformance.lab.partners.wire import Wire, silence
from conformance.lab.taps.canary import send_canary
from conformance.provoking.context import Context
from conformance.recording.events import Event
from conformance.recording.events.links import Carrier, TimerLate
from conformance.recording.model import Canary, PortState, Window

T = TypeVar("T")


@dataclass(frozen=True)
class Link:
    """One port of the implementation, and our wire on the other end of its cable.

    `name` is what the implementation calls the port, behind its host where there are several; `where` of every event
    about it.
    """

    context: Context
    port: Port
    wire: Wire
    name: str

    def event(self, event: Event) -> None:
        """Write down that something happened on this port now."""
        self.context.event(replace(event, where=self.name))

    def send(self, frame: bytes, event: Event) -> int:
        """Send one frame towards the implementation and write it down; returns the time in ns."""
        self.event(event)
        return self.wire.send(frame)


Script = Callable[[Sequence[Link]], Coroutine[Any, Any, None]]
"""What our partners do on the links, as a coroutine: several run at the same time."""


def run_together(context: Context, *scripts: Script) -> None:
    """Run all scripts at the same time on one event loop; ends when all have. The first that raises ends them all.

    The ports are written into the record first. Raises AdapterError where the subject offers none.
    """
    linking = power_of(context.subject, Linking)
    if linking is None:
        raise AdapterError("it offers no ports (see adapters/interface/ports.py, Linking)")
    ports = tuple(linking.ports())
    context.ports.extend(port_states(context, ports))
    paired = context.profile.paired

    async def together() -> None:
        with ExitStack() as wires:
            links = [
                Link(context, port, wires.enter_context(Wire(port.namespace, port.partner, tags=paired)), state.name)
                for port, state in zip(ports, context.ports, strict=True)
            ]
            pulse = asyncio.create_task(_pulse(context))
            try:
                async with asyncio.TaskGroup() as group:
                    for script in scripts:
                        group.create_task(script(links))
            finally:
                pulse.cancel()

    try:
        asyncio.run(together())
    except* AdapterError as refusals:
        raise _first(refusals) from None


async def _pulse(context: Context) -> None:
    """Write down when our own timers were late: those of an implementation on the same machine are as late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + limits.PULSE
        await silence(limits.PULSE)
        late = loop.time() - due
        if late > limits.PULSE_LATE:
            context.event(TimerLate(seconds=round(late, 3)))


def _first(problem: BaseException) -> BaseException:
    """The first exception of a group of groups."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem


def port_states(context: Context, ports: Sequence[Port]) -> Iterator[PortState]:
    """The ports as the kernel shows them on both ends."""
    places = {*(context.lab.hosts[port.host].namespace for port in ports), *(port.namespace for port in ports)}
    known = {place: {one.name: one for one in snapshot.interfaces(place)} for place in places}
    several = len({port.host for port in ports}) > 1
    for port in ports:
        here, there = known[context.lab.hosts[port.host].namespace], known[port.namespace]
        yield PortState(
            name=f"{port.host}:{port.name}" if several else port.name,
            host=port.host,
            interface=port.interface,
            mac=here[port.interface].mac if port.interface else "",
            tap=f"{port.host}:{port.interface}" if port.interface else "",
            partner=port.tap,
            partner_mac=there[port.partner].mac,
        )


async def aside(function: Callable[..., T], *arguments: Any) -> T:
    """Call something that blocks (a command of the implementation) in a thread, while the partners go on."""
    return await asyncio.to_thread(function, *arguments)


@asynccontextmanager
async def window(context: Context, name: str, links: Sequence[Link]) -> AsyncIterator[None]:
    """A time that is watched on these links: canaries from the port to our end before and after it, where the port is
    in the kernel's sight, else from our end to the port."""
    canaries = await aside(_canaries, context, links)
    start = time.time_ns()
    yield
    end = time.time_ns()
    canaries += await aside(_canaries, context, links)
    context.windows.append(Window(name=name, start_ns=start, end_ns=end, canaries=tuple(canaries)))


def _canaries(context: Context, links: Sequence[Link]) -> list[Canary]:
    sent = []
    for link in links:
        port = link.port
        if port.interface:
            nonce, moment = send_canary(context.lab.hosts[port.host].namespace, port.interface)
        else:
            nonce, moment = send_canary(port.namespace, port.partner)
        sent.append(Canary(nonce=nonce.hex(), form="experimental", where=link.name, tap=port.tap, time_ns=moment))
    return sent


@contextmanager
def carrier(link: Link, *, up: bool) -> Iterator[None]:
    """Our end of the cable is set down (`up` false: the port loses carrier), and up again at the end."""
    _set(link, up=up)
    try:
        yield
    finally:
        _set(link, up=not up)


def _set(link: Link, *, up: bool) -> None:
    index = link.port.namespace.netlink("link_lookup", ifname=link.port.partner)[0]
    link.event(Carrier(up=up))
    link.port.namespace.netlink("link", "set", index=index, state="up" if up else "down")
