"""A switch judged by its ports: bridges, spanning trees and LLDP are told to it over SSH, and its tables asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conformance.adapters.interface import AdapterError
from conformance.adapters.interface.cables import cabled_ports
from conformance.adapters.interface.lldp import (
    Administering,
    AgentTimers,
    Beginning,
    Discovering,
    Leaving,
    LldpNeighbour,
    Neighbouring,
)
from conformance.adapters.interface.ports import BridgeConfig, Bridging, Linking, Port
from conformance.adapters.interface.powers import Explaining
from conformance.adapters.interface.views import Counters, FdbEntry, ShowingCounters, ShowingStations
from conformance.adapters.switch.console import Console
from conformance.adapters.switch.device import OPERATOR, Device
from conformance.adapters.switch.dialect import Dialect
from conformance.lab.kernel import link
from conformance.lab.lab import Host, Lab


def _mac(host: int, bridge: int) -> str:
    """A bridge's address, which is its identifier to spanning trees too."""
    return f"02:00:5e:00:{0x60 + host:02x}:{0xC0 + bridge:02x}"


class SwitchPorts:
    """One switch on each host, whose ports are the host's cables."""

    powers: tuple[type, ...] = (
        Linking,
        Bridging,
        Explaining,
        Discovering,
        Beginning,
        Neighbouring,
        Administering,
        Leaving,
        ShowingStations,
        ShowingCounters,
    )
    shortest_ageing = 10.0
    """The lower end of the standard's range (IEEE 802.1Q-2018 Table 8-6); the device itself takes any."""

    def __init__(self, lab: Lab, dialect: Dialect, timers: AgentTimers) -> None:
        self.lab = lab
        self._dialect = dialect
        self._told = timers
        self._devices: dict[str, Device] = {}
        self._consoles: dict[str, Console] = {}
        self._name = ""

    def start(self) -> None:
        """Start the switches and log in. Raises AdapterError."""
        for host in self.lab.hosts.values():
            device = self._devices[host.name] = Device(host)
            device.start(agent_on=[cable.interface for cable in host.cables])
            self._consoles[host.name] = Console.to(device, self._dialect, OPERATOR)

    def ports(self) -> Sequence[Port]:
        """The hosts' cables."""
        return cabled_ports(self.lab)

    # --- bridges ----------------------------------------------------------------------------------------------
    def bridge(self, host: Host, configs: Sequence[BridgeConfig]) -> None:
        """Tell the switch to make them, each read back. Raises AdapterError."""
        place = list(self.lab.hosts).index(host.name)
        for number, config in enumerate(configs):
            if config.spanning == "rstp":
                raise AdapterError("it has no RSTP")
            self._consoles[host.name].apply(
                "bridge",
                name=config.name,
                ports=list(config.ports),
                mac=_mac(place, number),
                ageing=config.ageing,
                spanning=config.spanning,
                hello=config.hello,
                max_age=config.max_age,
                forward_delay=config.forward_delay,
                priority=config.priority,
            )
        for config in configs:
            for port in config.ports:
                link.await_link(host.namespace, port)

    def stations(self, host: Host, bridge: str) -> Sequence[FdbEntry]:
        """Its MAC address table."""
        return self._consoles[host.name].stations(bridge)

    def counters(self, host: Host, bridge: str) -> Sequence[Counters]:
        """The frames that it counted on its interfaces."""
        del bridge
        return self._consoles[host.name].counters()

    # --- LLDP -------------------------------------------------------------------------------------------------
    def timers(self) -> AgentTimers:
        """What its agent is told."""
        return self._told

    def discover(self) -> None:
        """Tell it the times of its agent, and to enable it on every port. Raises AdapterError."""
        for host in self.lab.hosts.values():
            times = {"interval": f"{self._told.interval:.0f}", "hold": str(self._told.hold)}
            self._consoles[host.name].apply("timers", **times)
        for port in self.ports():
            self.administer(port, on=True)

    def neighbours(self, port: Port) -> Sequence[LldpNeighbour]:
        """What it shows on a port."""
        return self._consoles[port.host].neighbours(port.name)

    def administer(self, port: Port, *, on: bool) -> None:
        """Enable or disable its agent on a port. Raises AdapterError."""
        self._consoles[port.host].apply("lldp", port=port.name, state="on" if on else "off")

    def leave(self) -> None:
        """Disable its agent on every port: the switch goes on. Raises AdapterError."""
        for port in self.ports():
            self.administer(port, on=False)

    # --- its end ----------------------------------------------------------------------------------------------
    def explain(self, host: Host) -> Mapping[str, Any]:
        """Its own view of its interfaces, as rows."""
        return {"counters": self._consoles[host.name].show("counters")}

    def close(self) -> None:
        """Undo everything on every switch and end it."""
        for console in self._consoles.values():
            console.leave()
        for device in self._devices.values():
            device.stop()
