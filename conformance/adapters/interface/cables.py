"""The host's own cables as the ports of an implementation that takes over existing interfaces."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.adapters.interface import AdapterError
from conformance.adapters.interface.ports import Port
from conformance.lab.lab import PARTNERS, Lab


def cabled_ports(lab: Lab) -> Sequence[Port]:
    """Every cable of every host, in the order of hosts and cables. Raises AdapterError on a testbed without."""
    if lab.partners is None:
        raise AdapterError(f"the testbed {lab.testbed.name} has no ports")
    if any(not cable.interface for host in lab.hosts.values() for cable in host.cables):
        raise AdapterError(
            f"the ports of the testbed {lab.testbed.name} are NICs: nothing on this machine is behind them"
        )
    return [
        Port(cable.interface, host.name, cable.interface, lab.partners, PARTNERS, cable.far)
        for host in lab.hosts.values()
        for cable in host.cables
    ]
