"""macvlan: endpoints as further stations on the host's uplink, told apart by their MAC addresses."""

from __future__ import annotations

import struct
from typing import Final

from conformance.adapters.linux.network import INTERFACE, Allocation, Design
from conformance.adapters.linux.pool import Allocations, on_segments
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab

SHIM: Final = "shim0"
BRIDGE_MODE: Final = {1: struct.pack("=I", 4)}
"""IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE."""


STEPS: Final = (
    "per endpoint: macvlan (bridge mode) eth0 on the host's uplink, addresses of the segment, default routes",
)


def macvlan(lab: Lab, *, shim: bool = False) -> Design:
    """Bridge mode. A host does not reach its own endpoints over the parent: that is how macvlan works.

    With `shim` each host gets the usual remedy: a macvlan interface of its own, with an address of the pool and with
    routes to the pool. The host then speaks to its endpoints from that address.
    """
    allocations = on_segments(lab)

    def start() -> None:
        if shim:
            for host in lab.hosts.values():
                _remedy(host, allocations)

    return Design(allocations=allocations, start=start, connect=lambda one: put_on(one.host.uplink, one))


def put_on(parent: str, allocation: Allocation) -> None:
    """The interface is made straight in the endpoint's namespace; it keeps its parent in the host's."""
    made = rtnetlink.link(
        INTERFACE,
        "macvlan",
        data=BRIDGE_MODE,
        mtu=allocation.mtu,
        mac=allocation.mac,
        parent=parent,
        descriptor=allocation.namespace.descriptor,
    )
    netlink.transact(allocation.host.namespace, [made])


def _remedy(host: Host, allocations: Allocations) -> None:
    """Make the host's own macvlan interface."""
    made = rtnetlink.link(SHIM, "macvlan", data=BRIDGE_MODE, mtu=host.mtu, parent=host.uplink)
    netlink.transact(host.namespace, [made])
    for interface in (SHIM, host.uplink):
        host.namespace.sysctl(f"net.ipv4.conf.{interface}.arp_ignore", 1)
        host.namespace.sysctl(f"net.ipv4.conf.{interface}.arp_announce", 2)
    steps = [rtnetlink.up(SHIM)]
    for version, prefix in ((4, host.pool_ipv4), (6, host.pool_ipv6)):
        own = allocations(host, "", version).take().ip
        steps.append(rtnetlink.address(SHIM, rtnetlink.single(own), dad=False))
        steps.append(rtnetlink.route(prefix, link=SHIM, source=str(own)))
    netlink.transact(host.namespace, steps)
