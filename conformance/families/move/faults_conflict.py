"""Movers with conflict detection of their own making (RFC 5227): what its faults are planted in.

Before an IPv4 address is used it is probed, afterwards it is announced twice, and claims of it are answered once.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any, Final

from conformance import limits
from conformance.adapters.interface import AdapterError, Interface
from conformance.adapters.linux.flat_bridge import flat_bridge
from conformance.adapters.linux.mover import Mover, Relocation, take_up
from conformance.adapters.linux.network import INTERFACE, Allocation, Design, assign
from conformance.families.move.faults_announcer import FAILOVER, Announcer, mover, mover_fault, sound, soundly
from conformance.lab.kernel import netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import rtnetlink
from conformance.lab.lab import Lab
from conformance.protocols import arp, ethertypes
from conformance.selftest.fault import Fault

GAP: Final = 1.05
"""Seconds between two probes: the least that there may be, and a little."""
WAIT: Final = 2.0
ENDED: Final = 0.5
"""Seconds after which a listener looks whether its namespace is still there."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Conflict detection in due form, or with one thing changed."""

    probes: int = limits.PROBES
    yields: bool = True
    """Whether a conflict while probing stops the address from being used."""
    gaps: tuple[float, ...] = (limits.ANNOUNCE_INTERVAL,)
    """Seconds from the first announcement to the next ones."""
    defences: int = 1
    """How many claims are answered, at most."""


class Detector:
    """What detects conflicts for endpoints, in the words of a speaker."""

    def __init__(self, detection: Detection) -> None:
        self.detection = detection
        self.speaker = Announcer()

    def assign(self, design: Design, allocation: Allocation) -> None:
        """Assign addresses; those that were asked for are probed first, and announced."""
        if not allocation.asked:
            assign(design, allocation)
            return
        self.probe(allocation)
        steps = [rtnetlink.address(INTERFACE, address) for address in allocation.addresses]
        netlink.transact(allocation.namespace, steps)
        self.announce(self.speaker, Relocation(allocation, allocation, "failover"), 4)

    def take_up(self, design: Design, move: Relocation) -> None:
        """Probe, then take the addresses up."""
        self.probe(move.new)
        take_up(design, move)

    def announce(self, speaker: Announcer, move: Relocation, version: int) -> None:
        """Announce at once and again; from then on claims are answered."""
        new = move.new
        if version == 4:
            opened = _listener(new.namespace)
            threading.Thread(target=self._defend, args=(opened, new), name="fault-defend", daemon=True).start()
            for address in _four(new):
                speaker.later(self.detection.gaps, new.namespace, "announces again", [sound(new, address)])
        soundly(speaker, move, version)

    def probe(self, allocation: Allocation) -> None:
        """Probe every IPv4 address of an allocation. Raises AdapterError where one is in use."""
        wanted = {IPv4Address(address.ip) for address in _four(allocation)}
        probes = self.detection.probes
        with _listener(allocation.namespace) as opened:
            taken = False
            for number in range(probes):
                for address in wanted:
                    frame = arp.request(allocation.mac, arp.UNSET, address)
                    self.speaker.say(allocation.namespace, f"probes {address}", [frame])
                pause = GAP if number + 1 < probes else WAIT
                taken |= _conflict(opened, wanted, allocation.mac, pause)
        if taken and self.detection.yields:
            raise AdapterError(f"{allocation.name}: conflict detection found {', '.join(map(str, wanted))} in use")

    def _defend(self, opened: socket.socket, allocation: Allocation) -> None:
        wanted = {IPv4Address(address.ip) for address in _four(allocation)}
        made = 0
        with opened:
            try:
                while made < self.detection.defences:
                    if _conflict(opened, wanted, allocation.mac, ENDED):
                        made += 1
                        for address in _four(allocation):
                            self.speaker.say(allocation.namespace, "defends", [sound(allocation, address)])
            except (OSError, RuntimeError):
                return


def detecting(detection: Detection) -> Callable[[Lab], Mover]:
    """A mover that detects conflicts."""

    def made(lab: Lab) -> Mover:
        detector = Detector(detection)
        handover = replace(FAILOVER, take_up=detector.take_up)
        design = replace(flat_bridge(lab), assign=detector.assign)
        return mover(lab, design, detector.speaker, detector.announce, handover)

    return made


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


CLAIMS: Final = ("ipv4", "ipv6", "multi-host", "duplicate-detection", "move", "conflict-detection")


def _fault(name: str, title: str, detection: Detection, words: str, *fails: str, **further: Any) -> Fault:
    return mover_fault(name, title, detecting(detection), *fails, words=words, features=CLAIMS, **further)


FAULTS: Final = (
    _fault("announced-once", "who detects conflicts announces once", Detection(gaps=()), "announces",
           "move.announced-twice", labels=("F-MOVE-01b",)),
    _fault("address-unprobed", "an address is used without having been probed", Detection(probes=0), "announces",
           "move.address-probed"),
    _fault("conflict-unheeded", "an address is probed, found in use, and used", Detection(yields=False), "probes",
           "move.address-probed", labels=("F-MOVE-20b",)),
    _fault("claim-unheeded", "another host's claim of an address is not answered", Detection(defences=0), "announces",
           "move.address-defended"),
    _fault("claim-fought", "every claim of an address is answered", Detection(defences=100), "defends",
           "move.address-defended", labels=("F-MOVE-15b",)),
    _fault("announced-thrice", "who detects conflicts announces three times, a second apart",
           Detection(gaps=(1.0, 1.0)), "again", labels=("D-06",), notes=frozenset({"move.announced-twice"})),
)  # fmt: skip
