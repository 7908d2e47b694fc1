"""A bridge on each host, with a port for each endpoint: what three of the designs are made of."""

from __future__ import annotations

from conformance.adapters.linux.network import INTERFACE, Lease, Network
from conformance.lab.kernel import link, netlink, rtnetlink

BRIDGE = "br0"


class BridgeNetwork(Network):
    """Endpoints are ports of a bridge; the bridge floods and learns as the kernel does by default."""

    def connect(self, lease: Lease) -> None:
        """A veth cable into the bridge. The host's end has no address of its own, not even a link-local one."""
        cable = rtnetlink.veth(
            lease.port, INTERFACE, lease.namespace.descriptor, mtu=lease.mtu, far_mac=lease.mac
        )  # fmt: skip
        port = [rtnetlink.quiet(lease.port), rtnetlink.up(lease.port, master=BRIDGE)]
        netlink.transact(lease.host.namespace, [cable])
        netlink.transact(lease.host.namespace, port)

    def await_connection(self, lease: Lease) -> None:
        """Until the kernel has noticed the carrier of the bridge's port, which comes with the endpoint's interface, it
        drops what is sent there: the answer to Duplicate Address Detection among it."""
        link.await_link(lease.host.namespace, lease.port)
