"""isolated-ports: endpoints on the segment, each on a port of the host's bridge that is isolated from the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from conformance.adapters.linux.bridges import BRIDGE, plug
from conformance.adapters.linux.flat_bridge import STEPS as BRIDGED
from conformance.adapters.linux.flat_bridge import flat_bridge
from conformance.adapters.linux.network import Allocation, Design
from conformance.lab.kernel import netlink
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Lab

STEPS: Final = (
    *BRIDGED,
    f"per endpoint: its port of {BRIDGE} is isolated (IFLA_BRPORT_ISOLATED); the uplink is not",
)


def isolated_ports(lab: Lab) -> Design:
    """The kernel's own word for it: a port that is isolated exchanges frames with ports alone that are not, of which
    there is one here, the uplink. Who belongs to whom it does not know."""
    return replace(flat_bridge(lab), connect=_connect)


def _connect(allocation: Allocation) -> None:
    """Plug the cable in and isolate the port, before anything can come from the endpoint, whose end is still down."""
    plug(allocation)
    netlink.transact(allocation.host.namespace, [rtnetlink.bridge_port(allocation.port, rtnetlink.PORT_ISOLATED, 1)])
