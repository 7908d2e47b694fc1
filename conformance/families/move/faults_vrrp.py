"""Movers that speak VRRP themselves, in frames of their own making: what faults of virtual routers are planted in.

Each endpoint is a virtual router with one address of each family. Its master advertises itself every second; on a
failover it resigns, on a crash it just goes, and the other place is master when its timer is over (RFC 5798 §6.1).
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import replace
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import Attachment, Endpoint, Interface
from conformance.adapters.interface.powers import MoveKind
from conformance.adapters.linux.network import INTERFACE, Allocation
from conformance.families.move.faults_announcer import mover_fault
from conformance.families.move.faults_movers import Altered, Lingering
from conformance.lab.kernel import netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab, link_local
from conformance.protocols import vrrp
from conformance.selftest.fault import Fault

INTERVAL: Final = 1.0
MASTER, BACKUP = 150, 100
SKEW: Final = (256 - BACKUP) / 256 * INTERVAL
FORWARDING: Final = ("net.ipv4.conf.all.forwarding", "net.ipv6.conf.all.forwarding")


class VirtualRouter(Altered):
    """A virtual router in due form, but for its MAC address, which is the interface's. What it announces over IPv6 has
    Router set."""

    change = {"router": True}  # noqa: RUF012 - a constant of the class
    moves: tuple[MoveKind, ...] = ("failover", "crash")
    resigns = True
    """Whether an orderly end is told by an advertisement of priority 0."""
    after_resignation = SKEW
    after_crash = limits.VRRP_DOWN * INTERVAL + SKEW
    """Seconds from the last advertisement until the backup is master."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._routers = itertools.count(1)
        self._ids: dict[str, int] = {}
        self._spoke: dict[str, float] = {}
        self._ends: dict[str, threading.Event] = {}

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Attach it as the master, which advertises itself from then on."""
        endpoint = super().attach(host, request)
        if not request.peer:
            with self._lock:
                self._ids[request.name] = next(self._routers)
            for key in FORWARDING:
                endpoint.namespace.sysctl(key, 1)
            self._advertise_steadily(endpoint.handle, MASTER)
        return endpoint

    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace:
        """The backup, a router as well."""
        namespace = super().target_namespace(endpoint, to, kind)
        for key in FORWARDING:
            namespace.sysctl(key, 1)
        return namespace

    def move(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Endpoint:
        """The master goes; the backup waits for its timer, takes over, and advertises itself."""
        old: Allocation = endpoint.handle
        self._ends[endpoint.name].set()
        if kind != "crash" and self.resigns:
            self.advertise(old, vrrp.RESIGNED)
        wait = self.after_crash if kind == "crash" else self.after_resignation
        if kind == "crash":
            self.disconnect(old)
        until = self._spoke[endpoint.name] + wait
        threading.Event().wait(max(0.0, until - time.monotonic()))
        self._advertise_steadily(self._landings[endpoint.name], BACKUP)
        return super().move(endpoint, to, kind)

    def leave(self, old: Allocation) -> None:
        """It has gone already where it crashed."""
        if any(old.port == link.get_attr("IFLA_IFNAME") for link in old.host.netlink("get_links")):
            super().leave(old)

    def advertise(self, allocation: Allocation, priority: int) -> None:
        """One advertisement of each family."""
        packets = []
        for version in (4, 6):
            addresses = [one.ip for one in allocation.addresses if one.version == version]
            if not addresses:
                continue
            source = addresses[0] if version == 4 else link_local(allocation.mac).ip
            packets.append(vrrp.build(self._ids[allocation.name], priority, addresses, source, allocation.mac))
        self.say(allocation.namespace, f"advertises with priority {priority}", packets)
        self._spoke[allocation.name] = time.monotonic()

    def _advertise_steadily(self, allocation: Allocation, priority: int) -> None:
        end = self._ends[allocation.name] = threading.Event()
        self.advertise(allocation, priority)

        def work() -> None:
            while not end.wait(INTERVAL):
                try:
                    self.advertise(allocation, priority)
                except (OSError, RuntimeError):
                    return

        threading.Thread(target=work, name="virtual-router", daemon=True).start()


class NoRouter(VirtualRouter):
    """Its advertisements say that it is no router."""

    moves: tuple[MoveKind, ...] = ("failover",)
    change = {}  # noqa: RUF012


class Unheard(VirtualRouter):
    """Resignations are not heeded: the backup waits for six intervals."""

    moves: tuple[MoveKind, ...] = ("failover",)
    after_resignation = 6 * INTERVAL


class Tardy(VirtualRouter):
    """The backup waits for ten intervals after a crash."""

    moves: tuple[MoveKind, ...] = ("crash",)
    after_crash = 10 * INTERVAL


class Answering(Lingering, VirtualRouter):
    """The old master, a backup now, keeps the IPv4 address and answers for it."""

    moves: tuple[MoveKind, ...] = ("failover",)


class WithVirtualMac(VirtualRouter):
    """IPv4 at the virtual router's MAC address, which moves along; a little late, as on a busy machine."""

    moves: tuple[MoveKind, ...] = ("migrate",)
    after_resignation = SKEW + 2 * limits.VRRP_PROMPT

    def _take(self, host: Host, request: Attachment) -> tuple[Interface, ...]:
        return tuple(address for address in super()._take(host, request) if address.version == 4)

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Attach it, then give its interface the virtual router's MAC address."""
        endpoint = super().attach(host, request)
        if request.peer:
            return endpoint
        mac = vrrp.virtual_mac(self._ids[request.name], 4)
        netlink.transact(endpoint.namespace, [rtnetlink.hardware_address(INTERFACE, mac)])
        allocation = replace(endpoint.handle, mac=mac)
        self._ends[request.name].set()
        self._advertise_steadily(allocation, MASTER)
        return replace(endpoint, handle=allocation, reported=replace(endpoint.reported, mac=mac))


CLAIMS: Final = ("ipv4", "ipv6", "multi-host", "duplicate-detection", "move", "vrrp")
MAC: Final = "move.vrrp-virtual-mac"
"""What all of them fail that announce the interface's MAC address."""


def _fault(name: str, title: str, design: type[VirtualRouter], *fails: str, **further: Any) -> Fault:
    return mover_fault(name, title, design, *fails, **{"features": CLAIMS, "words": "advertises", **further})


FAULTS: Final = (
    _fault("master-is-no-router", "who becomes master advertises its IPv6 addresses with Router clear", NoRouter,
           "move.vrrp-master-announces", MAC, labels=("F-MOVE-17b", "F-MOVE-18b")),
    _fault("resignation-unheard", "a master resigns, and the backup waits for six intervals", Unheard,
           "move.vrrp-takeover-time", MAC, words="priority 0"),
    _fault("master-lost-late", "a master crashes, and the backup waits for ten intervals", Tardy,
           "move.vrrp-takeover-time", MAC),
    _fault("backup-answers", "a master resigns, keeps the IPv4 address and answers for it", Answering,
           "move.vrrp-backup-silent", "move.old-place-silent", "move.new-mac-only", MAC,
           labels=("F-MOVE-18a",), words="stays"),
    _fault("master-at-virtual-mac", "IPv4 at the virtual router's MAC address, a little late", WithVirtualMac,
           notes=frozenset({"move.vrrp-takeover-time"}), features=("ipv4", "multi-host", "move", "vrrp")),
)  # fmt: skip
