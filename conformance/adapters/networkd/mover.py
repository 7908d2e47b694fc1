"""Addresses that move, which systemd-networkd gives to stations, with conflict detection for IPv4 (RFC 5227) and IPv6.

Each endpoint is a station with a networkd of its own. A move ends it, with its cable, and starts another one on the
other host, which is told the same addresses.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from ipaddress import ip_interface
from typing import ClassVar, Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Attachment, Endpoint, Interface
from conformance.adapters.interface.powers import MoveKind
from conformance.adapters.linux.flat_bridge import FlatBridge
from conformance.adapters.linux.mover import Mover
from conformance.adapters.linux.network import INTERFACE, Allocation, refusals
from conformance.adapters.networkd.daemon import start_networkd
from conformance.lab import snapshot
from conformance.lab.kernel import link, netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import notices, rtnetlink
from conformance.lab.kernel.process import Daemon
from conformance.lab.lab import Host, Lab

ADDRESSES: Final = notices.IPV4_ADDRESSES | notices.IPV6_ADDRESSES
UNUSABLE: Final = frozenset({"tentative", "dadfailed"})


class NetworkdMover(Mover):
    """Stations on the underlay's own segment; a peer is one whose addresses the kernel was given directly."""

    moves: tuple[MoveKind, ...] = ("failover",)
    steps: ClassVar[tuple[str, ...]] = (
        *FlatBridge.steps,
        "per endpoint: systemd-networkd in its namespace, with its addresses, DuplicateAddressDetection= for each",
        "per move: the old networkd ends and its interface goes; one is started at the new place, which is cabled",
    )

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._managed: set[str] = set()
        self._daemons: dict[Namespace, Daemon] = {}

    def station(self, name: str) -> Namespace:
        """A namespace with a /run of its own, where networkd keeps its state."""
        return self.lab.namespace(name, mounts=True)

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Attach a station with a networkd, which tries its addresses first. Raises AdapterError."""
        if not request.peer:
            self._managed.add(request.name)
        return super().attach(host, request)

    def _configure(self, allocation: Allocation) -> None:
        if allocation.name not in self._managed:
            super()._configure(allocation)
            return
        with refusals(allocation.name):
            self.connect(allocation)
            netlink.transact(allocation.namespace, [rtnetlink.up(INTERFACE)])
            self.await_connection(allocation)
            self._run(allocation)

    def take_up(self, new: Allocation) -> None:
        """Tell a networkd at the new place the same addresses. Raises AdapterError."""
        self._run(new)

    def leave(self, old: Allocation) -> None:
        """The old networkd ends, and its interface goes."""
        self._end(old.namespace)
        super().leave(old)

    def disconnect(self, allocation: Allocation) -> None:
        """End its networkd, and take its interface away."""
        self._end(allocation.namespace)
        super().disconnect(allocation)

    def _end(self, namespace: Namespace) -> None:
        daemon = self._daemons.pop(namespace, None)
        if daemon is not None:
            daemon.stop()

    def _run(self, allocation: Allocation) -> None:
        log = self.lab.logs / f"{allocation.host.name}-{allocation.name}-networkd.log"
        versions = {address.version for address in allocation.addresses}
        gateways = [str(one) for one in self.gateways(allocation.host) if one.version in versions]
        daemon = start_networkd(allocation.namespace, _wishes(allocation.addresses, gateways), log)
        self._daemons[allocation.namespace] = daemon
        missing = _await_usable(allocation.namespace, allocation.addresses)
        if missing:
            absent = ", ".join(str(address) for address in missing)
            raise AdapterError(f"{allocation.name}: networkd does not assign {absent}: {daemon.tail(4)}")

    def close(self) -> None:
        """End every networkd."""
        for namespace in list(self._daemons):
            self._end(namespace)


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
