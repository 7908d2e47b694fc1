"""Switches as a workload network: one on each host, an endpoint on each port, everything configured over SSH."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any, Final

from conformance.adapters.interface import Interface
from conformance.adapters.interface.powers import Explaining
from conformance.adapters.interface.views import NeighbourEntry, ShowingBindings, ShowingRows
from conformance.adapters.linux.bridges import BRIDGE, await_port
from conformance.adapters.linux.network import Allocation, Design, Network, cable, mac_of, unplug
from conformance.adapters.linux.pool import of_workloads
from conformance.adapters.switch.console import Console
from conformance.adapters.switch.device import OPERATOR, USER, Device
from conformance.adapters.switch.dialect import Dialect
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab, link_local

FAMILIES: Final = (("ip", 4), ("ipv6", 6))


class Switches:
    """Each host is a switch with two accounts: one of its router, whose console stays open, and one of its operator."""

    def __init__(self, dialect: Dialect, tables: Dialect) -> None:
        self._dialect = dialect
        self._tables = tables
        self._devices: dict[str, Device] = {}
        self.routers: dict[str, Console] = {}

    def begin(self, host: Host) -> Console:
        """Start the switch, log in and have it forward. Raises AdapterError."""
        device = self._devices[host.name] = Device(host)
        device.start()
        router = self.routers[host.name] = Console.to(device, self._dialect, USER)
        for protocol, _ in FAMILIES:
            router.apply("forwarding", protocol=protocol)
        return router

    def operator(self, host: Host) -> Console:
        """A session in the account of the operator. Raises AdapterError."""
        return Console.to(self._devices[host.name], self._tables, OPERATOR)

    def bindings(self, host: Host) -> Sequence[NeighbourEntry]:
        """What the switch shows of the stations that it has resolved, in the account of its operator."""
        tables = self.operator(host)
        try:
            return tables.bindings()
        finally:
            tables.leave()

    def rows(self, host: Host, name: str) -> Sequence[Mapping[str, str]]:
        """A table of the switch's own view, in the account of its operator."""
        tables = self.operator(host)
        try:
            return tables.rows(name)
        finally:
            tables.leave()

    def leave(self) -> None:
        """Undo everything on every switch and end it."""
        for console in self.routers.values():
            console.leave()
        for device in self._devices.values():
            device.stop()


class SwitchNetwork(Network):
    """The switch's ports are in one bridge, which routes for them."""

    powers: tuple[type, ...] = (ShowingBindings, ShowingRows, Explaining)

    def __init__(self, lab: Lab, dialect: Dialect, tables: Dialect) -> None:
        self._switches = Switches(dialect, tables)
        design = Design(
            allocations=of_workloads(lab),
            start=self._start,
            close=self._switches.leave,
            connect=self._connect,
            await_connection=await_port,
            disconnect=self._disconnect,
            gateways=lambda host: tuple(address.ip for address in gateway_addresses(host)),
        )
        super().__init__(lab, design)

    def bindings(self, host: Host) -> Sequence[NeighbourEntry]:
        """What the switch shows of the stations that it has resolved."""
        return self._switches.bindings(host)

    def rows(self, host: Host, name: str) -> Sequence[Mapping[str, str]]:
        """A table of the switch's own view (a ``[[view.NAME]]`` of its dialect)."""
        return self._switches.rows(host, name)

    def _start(self) -> None:
        """The bridge is the hardware; addresses and forwarding are told to the switch. Raises AdapterError."""
        for host in self.lab.hosts.values():
            mac = mac_of(f"{host.name} {BRIDGE}")
            netlink.transact(host.namespace, [rtnetlink.link(BRIDGE, "bridge", mtu=host.mtu, mac=mac)])
            local = rtnetlink.address(BRIDGE, link_local(mac), dad=False)
            netlink.transact(host.namespace, [local, rtnetlink.up(BRIDGE)])
            router = self._switches.begin(host)
            for (protocol, _), address in zip(FAMILIES, gateway_addresses(host), strict=True):
                router.apply("gateway", port=BRIDGE, protocol=protocol, address=str(address))

    def _connect(self, allocation: Allocation) -> None:
        """Plug a cable into a port that is down, and have the switch bring the port up. Raises AdapterError."""
        host = allocation.host
        netlink.transact(host.namespace, [cable(allocation)])
        netlink.transact(host.namespace, [rtnetlink.quiet(allocation.port), rtnetlink.enslave(allocation.port, BRIDGE)])
        self._switches.routers[host.name].apply("port", port=allocation.port, description=allocation.name)

    def _disconnect(self, allocation: Allocation) -> None:
        """Have the switch take the port down, then unplug the cable. Raises AdapterError."""
        self._switches.routers[allocation.host.name].revert("port", port=allocation.port, description=allocation.name)
        unplug(allocation)

    def explain(self, host: Host) -> Mapping[str, Any]:
        """The switch's own view of its bridge, as rows."""
        return {"switch": self._switches.routers[host.name].show("interface", port=BRIDGE)}


def gateway_addresses(host: Host) -> tuple[Interface, ...]:
    """The first addresses of the host's workload prefixes."""
    four, six = host.workload_ipv4, host.workload_ipv6
    return IPv4Interface((four[1], four.prefixlen)), IPv6Interface((six[1], six.prefixlen))
