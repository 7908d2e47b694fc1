"""A bridge on each host, with a port for each endpoint: what many of the designs are made of."""

from __future__ import annotations

from conformance.adapters.linux.network import Allocation, cable
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.netlink import rtnetlink

BRIDGE = "br0"


def plug(allocation: Allocation, bridge: str = BRIDGE) -> None:
    """A veth cable into the bridge, which floods and learns as the kernel does by default. The host's end has no
    address of its own, not even a link-local one."""
    port = [rtnetlink.quiet(allocation.port), rtnetlink.up(allocation.port, master=bridge)]
    netlink.transact(allocation.host.namespace, [cable(allocation)])
    netlink.transact(allocation.host.namespace, port)


def await_port(allocation: Allocation) -> None:
    """Until the kernel has noticed the carrier of the bridge's port, which comes with the endpoint's interface, it
    drops what is sent there: the answer to Duplicate Address Detection among it."""
    link.await_link(allocation.host.namespace, allocation.port)
