"""Movers that speak VRRP themselves, in frames of their own making: what faults of virtual routers are planted in.

Each endpoint is a virtual router with one address of each family. Its master advertises itself every second; on a
failover it resigns, on a crash it just goes, and the other place is master when its timer is over (RFC 5798 §6.1).
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import Attachment
from conformance.adapters.interface.powers import MoveKind
from conformance.adapters.linux.flat_bridge import flat_bridge
from conformance.adapters.linux.mover import Mover, Relocation
from conformance.adapters.linux.network import Allocation, Design, assign, own_mac
from conformance.families.move.faults_announcer import FAILOVER, Announcer, mover, mover_fault, soundly
from conformance.families.move.faults_movers import altered, ask_nobody, stay
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Lab, link_local
from conformance.protocols import vrrp
from conformance.selftest.fault import Fault

INTERVAL: Final = 1.0
MASTER, BACKUP = 150, 100
SKEW: Final = (256 - BACKUP) / 256 * INTERVAL
FORWARDING: Final = ("net.ipv4.conf.all.forwarding", "net.ipv6.conf.all.forwarding")


@dataclass(frozen=True, kw_only=True)
class RouterConduct:
    """A virtual router in due form, but for its MAC address, which is the interface's; or with one thing changed."""

    moves: tuple[MoveKind, ...] = ("failover",)
    router: bool = True
    """Whether what it announces over IPv6 has Router set."""
    after_resignation: float = SKEW
    after_crash: float = limits.VRRP_DOWN * INTERVAL + SKEW
    """Seconds from the last advertisement until the backup is master."""
    resigns: bool = True
    """Whether a master that is ended says so."""
    virtual_mac: bool = False
    """Whether it has the virtual router's MAC address, which moves along, and IPv4 only."""
    stays: bool = False
    """Whether the old master, a backup now, keeps the IPv4 address and answers for it."""


class Masters:
    """The virtual routers of all endpoints: their ids, and who speaks as the master."""

    def __init__(self, conduct: RouterConduct) -> None:
        self.conduct = conduct
        self.speaker = Announcer()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._ids: dict[str, int] = {}
        self._spoke: dict[str, float] = {}
        self._ends: dict[str, threading.Event] = {}

    def id_of(self, name: str) -> int:
        """The virtual router of an endpoint."""
        with self._lock:
            if name not in self._ids:
                self._ids[name] = next(self._numbers)
            return self._ids[name]

    def mac(self, request: Attachment) -> str:
        """The interface's own, or the virtual router's."""
        own = request.peer or not self.conduct.virtual_mac
        return own_mac(request) if own else vrrp.virtual_mac(self.id_of(request.name), 4)

    def assign(self, design: Design, allocation: Allocation) -> None:
        """Assign its addresses to the master, which advertises itself from then on."""
        assign(design, allocation)
        if not allocation.peer:
            forward(allocation.namespace)
            self._advertise_steadily(allocation, MASTER)

    def leave(self, design: Design, move: Relocation) -> None:
        """The master goes; the backup waits for its timer, then it advertises itself."""
        name = move.old.name
        self._ends[name].set()
        if move.kind == "crash":
            wait = self.conduct.after_crash
            design.disconnect(move.old)
        else:
            wait = self.conduct.after_resignation
            if self.conduct.resigns:
                self._advertise(move.old, vrrp.RESIGNED)
        until = self._spoke[name] + wait
        threading.Event().wait(max(0.0, until - time.monotonic()))
        self._advertise_steadily(move.new, BACKUP)
        if self.conduct.stays:
            stay(self.speaker, move)
        elif move.kind != "crash":
            design.disconnect(move.old)

    def _advertise(self, allocation: Allocation, priority: int) -> None:
        """One advertisement of each family."""
        packets = []
        for version in (4, 6):
            addresses = [one.ip for one in allocation.addresses if one.version == version]
            if not addresses:
                continue
            source = addresses[0] if version == 4 else link_local(allocation.mac).ip
            packets.append(vrrp.build(self.id_of(allocation.name), priority, addresses, source, allocation.mac))
        self.speaker.say(allocation.namespace, f"advertises with priority {priority}", packets)
        self._spoke[allocation.name] = time.monotonic()

    def _advertise_steadily(self, allocation: Allocation, priority: int) -> None:
        end = self._ends[allocation.name] = threading.Event()
        self._advertise(allocation, priority)

        def work() -> None:
            while not end.wait(INTERVAL):
                try:
                    self._advertise(allocation, priority)
                except (OSError, RuntimeError):
                    return

        threading.Thread(target=work, name="virtual-router", daemon=True).start()


def forward(namespace: Namespace) -> None:
    """Master and backup are routers."""
    for key in FORWARDING:
        namespace.sysctl(key, 1)


def routers(conduct: RouterConduct) -> Callable[[Lab], Mover]:
    """A network whose endpoints are virtual routers."""

    def made(lab: Lab) -> Mover:
        masters = Masters(conduct)
        handover = replace(FAILOVER, moves=conduct.moves, opened=forward, leave=masters.leave)
        versions = (4,) if conduct.virtual_mac else (4, 6)
        announcement = altered(router=True) if conduct.router else soundly
        design = replace(flat_bridge(lab), assign=masters.assign, mac=masters.mac, versions=versions)
        return mover(lab, design, masters.speaker, announcement, handover)

    return made


CLAIMS: Final = ("ipv4", "ipv6", "multi-host", "duplicate-detection", "move", "vrrp")
MAC: Final = "move.vrrp-virtual-mac"
"""What all of them fail that announce the interface's MAC address."""


def _fault(name: str, title: str, conduct: RouterConduct, *fails: str, **further: Any) -> Fault:
    return mover_fault(name, title, routers(conduct), *fails, **{"features": CLAIMS, "words": "advertises", **further})


FAULTS: Final = (
    _fault("master-is-no-router", "who becomes master advertises its IPv6 addresses with Router clear",
           RouterConduct(router=False), "move.vrrp-master-announces", MAC, labels=("F-MOVE-17b", "F-MOVE-18b")),
    _fault("resignation-unheard", "a master resigns, and the backup waits for six intervals",
           RouterConduct(after_resignation=6 * INTERVAL), "move.vrrp-takeover-time", MAC, words="priority 0"),
    _fault("no-resignation", "a master leaves without a word, and the backup waits for its timer",
           RouterConduct(moves=("migrate",), resigns=False, after_resignation=limits.VRRP_DOWN * INTERVAL + SKEW),
           "move.vrrp-takeover-time", MAC),
    _fault("master-lost-late", "a master crashes, and the backup waits for ten intervals",
           RouterConduct(moves=("crash",), after_crash=10 * INTERVAL), "move.vrrp-takeover-time", MAC),
    _fault("backup-answers", "a master resigns, keeps the IPv4 address and answers for it", RouterConduct(stays=True),
           "move.vrrp-backup-silent", "move.old-place-silent", "move.new-mac-only", MAC, labels=("F-MOVE-18a",),
           words="stays", on_endpoint=ask_nobody),
    _fault("master-at-virtual-mac", "IPv4 at the virtual router's MAC address, a little late",
           RouterConduct(moves=("migrate",), after_resignation=SKEW + 2 * limits.VRRP_PROMPT, virtual_mac=True),
           notes=frozenset({"move.vrrp-takeover-time"}), features=("ipv4", "multi-host", "move", "vrrp")),
)  # fmt: skip
