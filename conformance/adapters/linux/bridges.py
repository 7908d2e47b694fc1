"""A bridge on each host, with a port for each endpoint: what three of the designs are made of."""

from __future__ import annotations

from conformance.adapters.linux.network import INTERFACE, Allocation, Network
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.netlink import rtnetlink

BRIDGE = "br0"


class BridgeNetwork(Network):
    """Endpoints are ports of a bridge; the bridge floods and learns as the kernel does by default."""

    def connect(self, allocation: Allocation) -> None:
        """A veth cable into the bridge. The host's end has no address of its own, not even a link-local one."""
        cable = rtnetlink.veth(
            allocation.port, INTERFACE, allocation.namespace.descriptor, mtu=allocation.mtu, far_mac=allocation.mac
        )  # fmt: skip
        port = [rtnetlink.quiet(allocation.port), rtnetlink.up(allocation.port, master=BRIDGE)]
        netlink.transact(allocation.host.namespace, [cable])
        netlink.transact(allocation.host.namespace, port)

    def await_connection(self, allocation: Allocation) -> None:
        """Until the kernel has noticed the carrier of the bridge's port, which comes with the endpoint's interface, it
        drops what is sent there: the answer to Duplicate Address Detection among it."""
        link.await_link(allocation.host.namespace, allocation.port)
