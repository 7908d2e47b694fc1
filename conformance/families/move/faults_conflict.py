"""Movers with conflict detection of their own making (RFC 5227): what its faults are planted in.

Before an IPv4 address is used it is probed, afterwards it is announced twice, and claims of it are answered once.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from ipaddress import IPv4Address
from typing import Any, ClassVar, Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Attachment, Endpoint, Interface
from conformance.adapters.linux.network import INTERFACE, Allocation
from conformance.families.move.faults_announcer import Announcer, mover_fault, sound
from conformance.lab.kernel import netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Host, Lab
from conformance.protocols import arp, ethertypes
from conformance.selftest.fault import Fault

GAP: Final = 1.05
"""Seconds between two probes: the least that there may be, and a little."""
WAIT: Final = 2.0
ENDED: Final = 0.5
"""Seconds after which a listener looks whether its namespace is still there."""


class Detecting(Announcer):
    """Conflict detection in due form."""

    probes = limits.PROBES
    heeds = True
    """Whether a conflict while probing stops the address from being used."""
    gaps: ClassVar[tuple[float, ...]] = (limits.ANNOUNCE_INTERVAL,)
    """Seconds from the first announcement to the next ones."""
    defences = 1
    """How many claims are answered, at most."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._asked: set[str] = set()

    def attach(self, host: Host, request: Attachment) -> Endpoint:
        """Attach it; an address that was asked for is probed first."""
        if request.addresses:
            self._asked.add(request.name)
        return super().attach(host, request)

    def _configure(self, allocation: Allocation) -> None:
        if allocation.name in self._asked:
            self.connect(allocation)
            netlink.transact(allocation.namespace, [rtnetlink.up(INTERFACE)])
            self.await_connection(allocation)
            self._try(allocation)
            steps = [rtnetlink.address(INTERFACE, address) for address in allocation.addresses]
            netlink.transact(allocation.namespace, steps)
            self.announce(allocation, allocation, 4)
        else:
            super()._configure(allocation)

    def take_up(self, new: Allocation) -> None:
        """Probe, then take the addresses up."""
        self._try(new)
        super().take_up(new)

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """Announce at once and again; from then on claims are answered."""
        if version == 4:
            opened = _listener(new.namespace)
            threading.Thread(target=self._defend, args=(opened, new), name="fault-defend", daemon=True).start()
            for address in _four(new):
                self.later(self.gaps, new.namespace, "announces again", self.frames(old, new, address))
        super().announce(old, new, version)

    def _try(self, allocation: Allocation) -> None:
        """Probe every IPv4 address of a allocation. Raises AdapterError where one is in use."""
        wanted = {IPv4Address(address.ip) for address in _four(allocation)}
        with _listener(allocation.namespace) as opened:
            taken = False
            for number in range(self.probes):
                for address in wanted:
                    frame = arp.request(allocation.mac, arp.UNSET, address)
                    self.say(allocation.namespace, f"probes {address}", [frame])
                pause = GAP if number + 1 < self.probes else WAIT
                taken |= _conflict(opened, wanted, allocation.mac, pause)
        if taken and self.heeds:
            raise AdapterError(f"{allocation.name}: conflict detection found {', '.join(map(str, wanted))} in use")

    def _defend(self, opened: socket.socket, allocation: Allocation) -> None:
        wanted = {IPv4Address(address.ip) for address in _four(allocation)}
        made = 0
        with opened:
            try:
                while made < self.defences:
                    if _conflict(opened, wanted, allocation.mac, ENDED):
                        made += 1
                        for address in _four(allocation):
                            self.say(allocation.namespace, "defends", [sound(allocation, address)])
            except (OSError, RuntimeError):
                return


def _four(allocation: Allocation) -> list[Interface]:
    return [address for address in allocation.addresses if address.version == 4]


def _listener(namespace: Namespace) -> socket.socket:
    """A socket that hears all ARP of a namespace."""
    return namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertypes.ARP))


def _conflict(opened: socket.socket, wanted: set[IPv4Address], own: str, seconds: float) -> bool:
    """Whether somebody else speaks for one of `wanted` meanwhile; returns as soon as that is so."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([opened], [], [], left)[0]:
            packet = arp.parse(opened.recv(2048))
            if packet is not None and packet.sender in wanted and packet.sender_mac != own:
                return True
    return False


class OnceOnly(Detecting):
    """One announcement."""

    gaps = ()


class Unprobing(Detecting):
    """No probe."""

    probes = 0


class Heedless(Detecting):
    """It probes, and uses what is in use."""

    heeds = False


class Meek(Detecting):
    """Claims of its address are nothing to it."""

    defences = 0


class Fighting(Detecting):
    """Every claim is answered."""

    defences = 100


class Thrice(Detecting):
    """Three announcements, a second apart."""

    gaps = (1.0, 1.0)


CLAIMS: Final = ("ipv4", "ipv6", "multi-host", "duplicate-detection", "move", "conflict-detection")


def _fault(name: str, title: str, design: type[Detecting], words: str, *fails: str, **further: Any) -> Fault:
    return mover_fault(name, title, design, *fails, words=words, features=CLAIMS, **further)


FAULTS: Final = (
    _fault("announced-once", "who detects conflicts announces once", OnceOnly, "announces", "move.announced-twice",
           labels=("F-MOVE-01b",)),
    _fault("address-unprobed", "an address is used without having been probed", Unprobing, "announces",
           "move.address-probed"),
    _fault("conflict-unheeded", "an address is probed, found in use, and used", Heedless, "probes",
           "move.address-probed", labels=("F-MOVE-20b",)),
    _fault("claim-unheeded", "another host's claim of an address is not answered", Meek, "announces",
           "move.address-defended"),
    _fault("claim-fought", "every claim of an address is answered", Fighting, "defends", "move.address-defended",
           labels=("F-MOVE-15b",)),
    _fault("announced-thrice", "who detects conflicts announces three times, a second apart", Thrice, "again",
           labels=("D-06",), notes=frozenset({"move.announced-twice"})),
)  # fmt: skip
