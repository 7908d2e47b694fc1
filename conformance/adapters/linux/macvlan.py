"""macvlan: endpoints as further stations on the host's uplink, told apart by their MAC addresses."""

from __future__ import annotations

import struct
from typing import Final

from conformance.adapters.linux.network import INTERFACE, Allocation, Network
from conformance.adapters.linux.pool import Pool
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab

SHIM: Final = "shim0"
BRIDGE_MODE: Final = {1: struct.pack("=I", 4)}
"""IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE."""


class Macvlan(Network):
    """Bridge mode. A host does not reach its own endpoints over the parent: that is how macvlan works.

    With `shim` each host gets the usual remedy: a macvlan interface of its own, with an address of the pool and with
    routes to the pool. The host then speaks to its endpoints from that address.
    """

    steps = ("per endpoint: macvlan (bridge mode) eth0 on the host's uplink, addresses of the segment, default routes",)

    def __init__(self, lab: Lab, *, shim: bool = False) -> None:
        self._shim = shim
        super().__init__(lab)

    def pool(self, host: Host, version: int) -> Pool:
        """Addresses of the segment that are set aside for this host."""
        return Pool.on_segment(host, version)

    def connect(self, allocation: Allocation) -> None:
        """The interface is made straight in the endpoint's namespace; it keeps its parent in the host's."""
        made = rtnetlink.link(
            INTERFACE,
            "macvlan",
            data=BRIDGE_MODE,
            mtu=allocation.mtu,
            mac=allocation.mac,
            parent=allocation.host.uplink,
            descriptor=allocation.namespace.descriptor,
        )
        netlink.transact(allocation.host.namespace, [made])

    def start(self) -> None:
        """Make the host's own macvlan interface, where asked for."""
        if self._shim:
            for host in self.lab.hosts.values():
                self._remedy(host)

    def _remedy(self, host: Host) -> None:
        made = rtnetlink.link(SHIM, "macvlan", data=BRIDGE_MODE, mtu=host.mtu, parent=host.uplink)
        netlink.transact(host.namespace, [made])
        for interface in (SHIM, host.uplink):
            host.namespace.sysctl(f"net.ipv4.conf.{interface}.arp_ignore", 1)
            host.namespace.sysctl(f"net.ipv4.conf.{interface}.arp_announce", 2)
        steps = [rtnetlink.up(SHIM)]
        for version, prefix in ((4, host.pool_ipv4), (6, host.pool_ipv6)):
            own = self.pools[host.name, version].take().ip
            steps.append(rtnetlink.address(SHIM, rtnetlink.single(own), dad=False))
            steps.append(rtnetlink.route(prefix, link=SHIM, source=str(own)))
        netlink.transact(host.namespace, steps)
