"""Switches as a workload network: one on each host, an endpoint on each port, everything configured over SSH."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any, Final

from conformance.adapters.interface import AdapterError, Address, Interface
from conformance.adapters.linux.bridges import BRIDGE, BridgeNetwork
from conformance.adapters.linux.network import INTERFACE, Lease, mac_of
from conformance.adapters.linux.pool import Pool
from conformance.adapters.switch.changes import Changes
from conformance.adapters.switch.device import Device
from conformance.adapters.switch.dialect import Dialect
from conformance.adapters.switch.session import Session
from conformance.adapters.switch.transcript import Transcript
from conformance.lab import netlink, rtnetlink
from conformance.lab.lab import Host, Lab, link_local

FAMILIES: Final = (("ip", 4), ("ipv6", 6))


class Console:
    """One switch of the lab: its session, and what was changed through it. One command at a time."""

    def __init__(self, host: Host, dialect: Dialect) -> None:
        self.lock = threading.Lock()
        self._device = Device(host)
        login = self._device.start()
        self.transcript = Transcript(host.logs / f"{host.name}-ssh.log")
        over = self._device.connect()
        try:
            self.session = Session(dialect, login, self.transcript, over=over)
        except BaseException:
            over.close()
            raise
        self.before = self.session.show("running", {})
        self.changes = Changes(self.session, host.folder / "journal.json")

    def apply(self, intent: str, **values: Any) -> None:
        """Put an intent in force. Raises AdapterError."""
        with self.lock:
            self.changes.apply(intent, **values)

    def revert(self, intent: str, **values: Any) -> None:
        """Undo it. Raises AdapterError."""
        with self.lock:
            self.changes.revert(intent, **values)

    def show(self, name: str, **values: Any) -> list[Any]:
        """Ask the switch. Raises AdapterError."""
        with self.lock:
            return list(self.session.show(name, values))

    def leave(self) -> None:
        """Undo every change, see that the configuration is what it was, and end the switch."""
        try:
            self.changes.rollback()
            same = self.session.show("running", {}) == self.before
            self.transcript.note(f"the running configuration is {'what it was' if same else 'NOT what it was'}")
        except AdapterError as problem:
            self.transcript.note(f"not all was undone: {problem}")
        finally:
            self.session.close()
            self._device.stop()


class SwitchNetwork(BridgeNetwork):
    """Each host is a switch: its ports are in one bridge, which routes for them."""

    def __init__(self, lab: Lab, dialect: Dialect) -> None:
        super().__init__(lab)
        self._dialect = dialect
        self._consoles: dict[str, Console] = {}

    def pool(self, host: Host, version: int) -> Pool:
        """The host's workload prefix, without the gateway's address."""
        prefix = host.workload_ipv4 if version == 4 else host.workload_ipv6
        return Pool.of(prefix, prefix.prefixlen, skip=1)

    def gateways(self, host: Host) -> tuple[Address, ...]:
        """The bridge's own addresses."""
        return tuple(address.ip for address in gateway_addresses(host))

    def start(self) -> None:
        """The bridge is the hardware; addresses and forwarding are told to the switch. Raises AdapterError."""
        for host in self.lab.hosts.values():
            mac = mac_of(f"{host.name} {BRIDGE}")
            netlink.transact(host.namespace, [rtnetlink.link(BRIDGE, "bridge", mtu=host.mtu, mac=mac)])
            local = rtnetlink.address(BRIDGE, link_local(mac), dad=False)
            netlink.transact(host.namespace, [local, rtnetlink.up(BRIDGE)])
            console = self._consoles[host.name] = Console(host, self._dialect)
            for protocol, _ in FAMILIES:
                console.apply("forwarding", protocol=protocol)
            for (protocol, _), address in zip(FAMILIES, gateway_addresses(host), strict=True):
                console.apply("gateway", port=BRIDGE, protocol=protocol, address=str(address))

    def connect(self, lease: Lease) -> None:
        """Plug a cable into a port that is down, and have the switch bring the port up. Raises AdapterError."""
        host = lease.host
        cable = rtnetlink.veth(lease.port, INTERFACE, lease.namespace.descriptor, mtu=lease.mtu, far_mac=lease.mac)
        netlink.transact(host.namespace, [cable])
        netlink.transact(host.namespace, [rtnetlink.quiet(lease.port), rtnetlink.enslave(lease.port, BRIDGE)])
        self._consoles[host.name].apply("port", port=lease.port, description=lease.name)

    def disconnect(self, lease: Lease) -> None:
        """Have the switch take the port down, then unplug the cable. Raises AdapterError."""
        self._consoles[lease.host.name].revert("port", port=lease.port, description=lease.name)
        super().disconnect(lease)

    def explain(self, host: Host) -> Mapping[str, Any]:
        """The switch's own view of its bridge, as rows."""
        return {"switch": self._consoles[host.name].show("interface", port=BRIDGE)}

    def leave(self) -> None:
        """Undo everything on every switch and end it."""
        for console in self._consoles.values():
            console.leave()


def gateway_addresses(host: Host) -> tuple[Interface, ...]:
    """The first addresses of the host's workload prefixes."""
    four, six = host.workload_ipv4, host.workload_ipv6
    return IPv4Interface((four[1], four.prefixlen)), IPv6Interface((six[1], six.prefixlen))
