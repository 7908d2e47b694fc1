"""The reference switch as a process of its own would be: LACP participants and a data plane, on a loop in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Self, TypeVar

from conformance import limits
from conformance.adapters.interface.cables import cabled_ports
from conformance.adapters.interface.ports import Aggregating, LagConfig, Linking, Port
from conformance.adapters.interface.powers import Explaining
from conformance.adapters.interface.views import LagMember, ShowingMembers
from conformance.lab.kernel import link
from conformance.lab.kernel.netlink import notices
from conformance.lab.lab import Host, Lab
from conformance.lab.partners.driver import Driver
from conformance.lab.partners.wire import Wire
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lacp.participant import ParticipantConduct, System
from conformance.protocols.mac import mac_of_number, mac_text

SYSTEM = 0x02005E0053CC
"""The system of a switch on the first host; on the next one it is one more."""
PLANTED = "planted"
RESERVED = bytes.fromhex("0180c20000")
RUNNING = 0x40
"""IFF_RUNNING: the interface has carrier."""
T = TypeVar("T")
Distribution = Literal["by-source", "in-turn", "to-all", "unready"]
"""Which link a frame leaves by: one for each source address, each in turn, all of them, or one that is not ready."""


@dataclass(frozen=True)
class Misconduct:
    """How the reference switch breaks the standard; nothing of it by default.

    `lacp` makes the conduct of each port. `activity` replaces what a group was told to be: always active, or always
    passive. `dies` on a LACPDU of another length than 124 octets: the port is deaf and mute from then on. It
    `flatters`: its own view shows every link in use, whatever it is.
    """

    lacp: Callable[[], ParticipantConduct] = ParticipantConduct
    distribution: Distribution = "by-source"
    activity: bool | None = None
    dies: bool = False
    flatters: bool = False


@dataclass
class SwitchGroup:
    """A group at work."""

    config: LagConfig
    system: System
    wires: Sequence[Wire]
    turn: int = 0
    lapses: int = 0
    dead: set[int] = field(default_factory=set)

    def leave(self, frame: bytes, distribution: Distribution) -> None:
        """Send a frame out of the group, as the distribution has it."""
        ready = [place for place, port in enumerate(self.system.ports) if port.distributing]
        match distribution:
            case "unready":
                ready = [place for place, port in enumerate(self.system.ports) if port.enabled]
                chosen = ready[:1]
            case "to-all":
                chosen = ready
            case "in-turn":
                self.turn += 1
                chosen = [ready[self.turn // 3 % len(ready)]] if ready else []
            case _:
                chosen = [ready[sum(frame[6:12]) % len(ready)]] if ready else []
        self.lapses += distribution != "by-source" and bool(chosen)
        for place in chosen:
            with suppress(OSError):
                self.wires[place].send(frame)


@dataclass
class _Dying:
    """A system whose ports end when they hear what they do not understand."""

    group: SwitchGroup

    @property
    def system(self) -> System:
        return self.group.system

    def hear(self, port: int, frame: bytes, now: float) -> None:
        mine = self.system.ports[port]
        if lacp.subtype(frame) is not None and len(frame) != lacp.LENGTH:
            self.group.dead.add(mine.number)
            self.group.lapses += 1
            mine.enabled = False
        if mine.number not in self.group.dead:
            self.system.hear(port, frame, now)

    def due(self) -> float:
        return self.system.due()

    def advance(self, now: float) -> list[tuple[int, bytes]]:
        return self.system.advance(now)


class RunningSwitch:
    """LACP on groups of the host's cables. Use it as a context manager."""

    powers: tuple[type, ...] = (Linking, Aggregating, Explaining, ShowingMembers)

    def __init__(self, lab: Lab, conduct: Misconduct) -> None:
        self._lab = lab
        self._conduct = conduct
        self._ports = tuple(cabled_ports(lab))
        self._groups: list[SwitchGroup] = []
        self._flattered = 0
        self._drivers: list[Driver] = []
        self._resources = ExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="reference-switch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._resources.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, function: Callable[[], T]) -> T:
        """Call a function on the switch's own loop."""

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(limits.COMMAND)

    # --- what a subject can do ---------------------------------------------------------------------------------
    def ports(self) -> Sequence[Port]:
        """Every cable."""
        return self._ports

    def aggregate(self, host: Host, access: str, bundles: Sequence[LagConfig]) -> None:
        """Make the groups; they speak from now on."""
        self._do(partial(self._seat, host, access, bundles))

    def _seat(self, host: Host, access: str, bundles: Sequence[LagConfig]) -> None:
        for number, config in enumerate(bundles, 1):
            wires = [self._wire(host, port) for port in config.ports]
            active = config.active if self._conduct.activity is None else self._conduct.activity
            system = System(self._system(host), key=number, active=active, short=config.short)
            for wire in wires:
                system.port(mac_text(wire.mac), conduct=self._conduct.lacp(), number=0x100 * number + len(system.ports))
            group = SwitchGroup(config, system, wires)
            self._groups.append(group)
            speaker = _Dying(group) if self._conduct.dies else system
            driver = self._resources.enter_context(Driver(speaker, wires))
            self._drivers.append(driver)
        outside = self._wire(host, access)
        outside.listen(self._flood)
        for group in self._groups:
            for place, wire in enumerate(group.wires):
                wire.listen(partial(_collect, group, place, outside))
        listener = self._resources.enter_context(notices.listener(host.namespace, notices.LINKS))
        self._loop.add_reader(listener, self._follow, listener)
        self._resources.callback(self._loop.remove_reader, listener)

    def _system(self, host: Host) -> str:
        return mac_of_number(SYSTEM + list(self._lab.testbed.hosts).index(host.name))

    def _follow(self, listener: socket.socket) -> None:
        """A link was lost or found."""
        notices.drain(listener)
        for group in self._groups:
            for wire, port in zip(group.wires, group.system.ports, strict=True):
                running = link.flags_of(listener, wire.interface) & RUNNING
                port.enabled = bool(running) and port.number not in group.dead
        for driver in self._drivers:
            driver.poke()

    def _wire(self, host: Host, interface: str) -> Wire:
        return self._resources.enter_context(Wire(host.namespace, interface))

    def _flood(self, _: int, frame: bytes) -> None:
        for group in self._groups:
            group.leave(frame, self._conduct.distribution)

    def members(self, host: Host, bundle: str) -> Sequence[LagMember]:
        """What it knows of a group's ports."""
        del host

        def look() -> list[LagMember]:
            return [
                LagMember(name, port.distributing or self._conduct.flatters, port.partner.system)
                for group in self._groups
                if group.config.name == bundle
                for name, port in zip(group.config.ports, group.system.ports, strict=True)
            ]

        shown = self._do(look)
        self._flattered += self._conduct.flatters
        return shown

    def explain(self, host: Host) -> Mapping[str, Any]:
        """How often its conduct took effect."""
        del host
        lapses = self._do(
            lambda: sum(
                group.lapses
                + (self._conduct.activity not in (None, group.config.active))
                + sum(port.lapses for port in group.system.ports)
                for group in self._groups
            )
        )
        lapses += self._flattered
        return {PLANTED: [{"comment": f"{PLANTED} conduct", "packets": lapses}]} if lapses else {}


def _collect(group: SwitchGroup, place: int, outside: Wire, _: int, frame: bytes) -> None:
    """What comes in by a port that collects goes on to the access port; the standard's own groups stay here."""
    if group.system.ports[place].collecting and not frame.startswith(RESERVED):
        with suppress(OSError):
            outside.send(frame)
