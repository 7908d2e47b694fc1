"""Addresses that move, which systemd-networkd gives to stations, with conflict detection for IPv4 (RFC 5227) and IPv6.

Each endpoint is a station with a networkd of its own. A move ends it, with its cable, and starts another one on the
other host, which is told the same addresses.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from ipaddress import ip_interface
from typing import Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Interface
from conformance.adapters.linux.flat_bridge import STEPS as BRIDGED
from conformance.adapters.linux.flat_bridge import flat_bridge
from conformance.adapters.linux.mover import Handover, Mover, Relocation
from conformance.adapters.linux.network import INTERFACE, Allocation, Design, assign
from conformance.adapters.networkd.daemon import start_networkd
from conformance.lab import snapshot
from conformance.lab.kernel import link
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import notices
from conformance.lab.kernel.process import Daemon
from conformance.lab.lab import Lab

ADDRESSES: Final = notices.IPV4_ADDRESSES | notices.IPV6_ADDRESSES
UNUSABLE: Final = frozenset({"tentative", "dadfailed"})


STEPS: Final = (
    *BRIDGED,
    "per endpoint: systemd-networkd in its namespace, with its addresses, DuplicateAddressDetection= for each",
    "per move: the old networkd ends and its interface goes; one is started at the new place, which is cabled",
)


def networkd_mover(lab: Lab) -> Mover:
    """Stations on the underlay's own segment, each with a networkd, which tries its addresses first; a peer is one
    whose addresses the kernel was given directly."""
    stations = Stations(lab)
    bridged = flat_bridge(lab)

    def assigned(design: Design, allocation: Allocation) -> None:
        """By a networkd. Raises AdapterError."""
        by = assign if allocation.peer else stations.run
        by(design, allocation)

    def disconnect(allocation: Allocation) -> None:
        """End its networkd, and take its interface away."""
        stations.end(allocation.namespace)
        bridged.disconnect(allocation)

    def take_up(design: Design, move: Relocation) -> None:
        """Tell a networkd at the new place the same addresses. Raises AdapterError."""
        stations.run(design, move.new)

    design = replace(bridged, mounts=True, assign=assigned, disconnect=disconnect, close=stations.close)
    return Mover(lab, design, Handover(moves=("failover",), take_up=take_up))


class Stations:
    """The networkd of each namespace that has one."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._daemons: dict[Namespace, Daemon] = {}

    def run(self, design: Design, allocation: Allocation) -> None:
        """Start one, with the addresses of the allocation, and wait until they can be used. Raises AdapterError."""
        log = self._lab.logs / f"{allocation.host.name}-{allocation.name}-networkd.log"
        gateways = [str(one) for one in design.gateways_of(allocation)]
        daemon = start_networkd(allocation.namespace, _wishes(allocation.addresses, gateways), log)
        self._daemons[allocation.namespace] = daemon
        missing = _await_usable(allocation.namespace, allocation.addresses)
        if missing:
            absent = ", ".join(str(address) for address in missing)
            raise AdapterError(f"{allocation.name}: networkd does not assign {absent}: {daemon.tail(4)}")

    def end(self, namespace: Namespace) -> None:
        """End the one of a namespace, if there is one."""
        daemon = self._daemons.pop(namespace, None)
        if daemon is not None:
            daemon.stop()

    def close(self) -> None:
        """End every networkd."""
        for namespace in list(self._daemons):
            self.end(namespace)


def _wishes(addresses: Collection[Interface], gateways: Collection[str]) -> str:
    """The .network file: every address with the detection of its family."""
    lines = ["[Match]", f"Name={INTERFACE}", "[Network]", "LinkLocalAddressing=ipv6", "IPv6AcceptRA=no"]
    for address in addresses:
        lines += ["[Address]", f"Address={address}", f"DuplicateAddressDetection=ipv{address.version}"]
    for gateway in gateways:
        lines += ["[Route]", f"Gateway={gateway}"]
    return "\n".join(lines) + "\n"


def _await_usable(namespace: Namespace, addresses: Collection[Interface]) -> list[Interface]:
    """Wait until all `addresses` can be used; returns those that cannot when `limits.ADDRESS_TRIED` is over."""
    until = time.monotonic() + limits.ADDRESS_TRIED
    with link.announcements(namespace, ADDRESSES) as wait:
        while True:
            usable = _usable(namespace)
            missing = [address for address in addresses if address not in usable]
            if not missing or not wait(until - time.monotonic()):
                return missing


def _usable(namespace: Namespace) -> set[Interface]:
    return {
        ip_interface(f"{one.address}/{one.prefix_length}")
        for state in snapshot.interfaces(namespace)
        for one in state.addresses
        if state.name == INTERFACE and not UNUSABLE & set(one.flags)
    }
