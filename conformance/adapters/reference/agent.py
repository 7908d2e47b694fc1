"""The reference agent as a process of its own would be: on an event loop in a thread, asked and told from outside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self, TypeVar

from conformance import limits
from conformance.adapters.interface.cables import cabled_ports
from conformance.adapters.interface.lldp import (
    Administering,
    AgentTimers,
    Discovering,
    Leaving,
    LldpNeighbour,
    Neighbouring,
    Renaming,
)
from conformance.adapters.interface.ports import Linking, Port
from conformance.adapters.interface.powers import Explaining
from conformance.lab.kernel import link
from conformance.lab.lab import Host, Lab
from conformance.lab.partners.driver import Driver
from conformance.lab.partners.wire import Wire
from conformance.protocols.lldp import agent as machine
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.lldp import management

CHASSIS = "reference"
PLANTED = "planted"
T = TypeVar("T")


class RunningAgent:
    """An agent on every cable of the lab's hosts. Use it as a context manager."""

    powers: tuple[type, ...] = (Linking, Explaining, Discovering, Neighbouring, Administering, Renaming, Leaving)

    def __init__(self, lab: Lab, timers: machine.Timers, conduct: machine.AgentConduct) -> None:
        self._lab = lab
        self._timers = timers
        self._conduct = conduct
        self._ports = tuple(cabled_ports(lab))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="reference-agent", daemon=True)
        self._driver: Driver | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._resources = ExitStack()
        try:
            self._do(self._seat)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _seat(self) -> None:
        hosts = self._lab.hosts
        wires = [self._resources.enter_context(Wire(hosts[p.host].namespace, p.interface)) for p in self._ports]
        timers = {name: _managed(host) for name, host in hosts.items()}
        ports = [
            machine.AgentPort(wire.mac, port.name, timers[port.host])
            for port, wire in zip(self._ports, wires, strict=True)
        ]
        chassis, _ = lldp.local_ids("-".join((CHASSIS, *hosts)), "")
        agent = machine.Agent(chassis, ports, self._timers, self._conduct)
        for number in range(len(ports)):
            agent.enable(number, on=True)
        self._agent = agent
        self._driver = self._resources.enter_context(Driver(agent, wires))

    def _end(self) -> None:
        self._do(self._resources.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, function: Callable[[], T]) -> T:
        """Call a function on the agent's own loop."""

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(limits.COMMAND)

    def _tell(self, function: Callable[[], None]) -> None:
        def change() -> None:
            assert self._driver is not None
            self._driver.poke()
            function()
            self._driver.poke()

        self._do(change)

    # --- what a subject can do ------------------------------------------------------------------------------------
    def ports(self) -> Sequence[Port]:
        """Every cable."""
        return self._ports

    def timers(self) -> AgentTimers:
        """What it was configured with."""
        return AgentTimers(self._timers.interval, self._timers.hold, self._timers.fast_count)

    def neighbours(self, port: Port) -> Sequence[LldpNeighbour]:
        """What the agent holds of a port."""
        number = self._ports.index(port)
        return self._do(
            lambda: [LldpNeighbour(n.ids.chassis, n.ids.port) for n in self._agent.ports[number].neighbours.values()]
        )

    def administer(self, port: Port, *, on: bool) -> None:
        """Disable or enable a port."""
        number = self._ports.index(port)
        self._tell(lambda: self._agent.enable(number, on=on))

    def rename(self, system: str) -> None:
        """Change the System Name."""
        self._tell(lambda: self._agent.rename(system))

    def leave(self) -> None:
        """Take leave on every port."""
        self._tell(self._agent.shutdown)

    def explain(self, host: Host) -> Mapping[str, Any]:
        """How often its conduct took effect."""
        del host
        lapses = self._do(lambda: self._agent.lapses)
        return {PLANTED: [{"comment": f"{PLANTED} conduct", "packets": lapses}]} if lapses else {}


def _managed(host: Host) -> tuple[bytes, ...]:
    """The addresses by which a host is managed: those of its uplink."""
    index = link.index(host.namespace, host.uplink)
    return tuple(management.build(address.ip, index) for address in (host.ipv4, host.ipv6))
