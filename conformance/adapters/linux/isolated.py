"""isolated-ports: endpoints on the segment, each on a port of the host's bridge that is isolated from the others."""

from __future__ import annotations

from typing import ClassVar

from conformance.adapters.linux.bridges import BRIDGE
from conformance.adapters.linux.flat_bridge import FlatBridge
from conformance.adapters.linux.network import Allocation
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink


class IsolatedPorts(FlatBridge):
    """The kernel's own word for it: a port that is isolated exchanges frames with ports alone that are not, of which
    there is one here, the uplink. Who belongs to whom it does not know."""

    steps: ClassVar[tuple[str, ...]] = (
        *FlatBridge.steps,
        f"per endpoint: its port of {BRIDGE} is isolated (IFLA_BRPORT_ISOLATED); the uplink is not",
    )

    def connect(self, allocation: Allocation) -> None:
        """And isolate the port, before anything can come from the endpoint, whose end is still down."""
        super().connect(allocation)
        netlink.transact(
            allocation.host.namespace, [rtnetlink.bridge_port(allocation.port, rtnetlink.PORT_ISOLATED, 1)]
        )
