"""A mover that announces by itself, in frames of its own making: what faults of moves are planted in.

The kernel's own notifications are off. Unless a fault says otherwise it is a sound mover: one broadcast ARP
announcement and one advertisement to all nodes for each address, as soon as it is usable.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from conformance.adapters.interface import Interface
from conformance.adapters.linux.flat_bridge import flat_bridge
from conformance.adapters.linux.mover import Handover, Mover, Relocation
from conformance.adapters.linux.network import INTERFACE, Allocation, Design, Network
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Lab
from conformance.protocols import arp, ethertypes, ndp
from conformance.recording.model import Record
from conformance.selftest.fault import SAID, Fault, Witness

ONLY: Final = frozenset({"move"})
"""The scenario in which what movers do wrong shows."""


class Announcer:
    """Sends frames; `said` is what it sent, in words, with the time and the place."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self._senders: dict[Namespace, socket.socket] = {}
        self._opening = threading.Lock()

    def open(self, namespace: Namespace) -> None:
        """Have a socket there to speak by: nothing is to be waited for when it is needed."""
        self._sender(namespace)

    def _sender(self, namespace: Namespace) -> socket.socket:
        with self._opening:
            if namespace not in self._senders:
                self._senders[namespace] = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            return self._senders[namespace]

    def say(self, namespace: Namespace, what: str, frames: Iterable[bytes], interface: str = INTERFACE) -> None:
        """Send frames out of an interface, and write it down."""
        sender = self._sender(namespace)
        for frame in frames:
            sender.sendto(frame, (interface, 0))
            self.said.append({"time_ns": time.time_ns(), "where": namespace.name, "what": what})

    def later(
        self,
        gaps: Iterable[float],
        namespace: Namespace,
        what: str,
        frames: Iterable[bytes],
        interface: str = INTERFACE,
    ) -> None:
        """Say the same again and again, each time so many seconds after the time before, beside everything else."""
        listed = list(frames)

        def work() -> None:
            for gap in gaps:
                threading.Event().wait(gap)
                try:
                    self.say(namespace, what, listed, interface)
                except (OSError, RuntimeError):
                    return

        threading.Thread(target=work, name="fault-later", daemon=True).start()


Announcement = Callable[[Announcer, Relocation, int], None]
"""What is sent when an endpoint has moved and its addresses of one IP version are usable."""
Frames = Callable[[Relocation, Interface], list[bytes]]
"""What announces one address."""


def addresses(move: Relocation, version: int) -> list[Interface]:
    """The addresses of one IP version that moved."""
    return [address for address in move.new.addresses if address.version == version]


def in_due_form(move: Relocation, address: Interface) -> list[bytes]:
    """One announcement that is as it should be."""
    return [sound(move.new, address)]


def each(frames: Frames) -> Announcement:
    """Say what `frames` makes of each address."""

    def announcement(speaker: Announcer, move: Relocation, version: int) -> None:
        for address in addresses(move, version):
            speaker.say(move.new.namespace, f"announces {address.ip}", frames(move, address))

    return announcement


soundly: Final = each(in_due_form)
"""The announcement of a sound mover."""


def both(first: Announcement, second: Announcement) -> Announcement:
    """One announcement, then the other."""

    def announcement(speaker: Announcer, move: Relocation, version: int) -> None:
        first(speaker, move, version)
        second(speaker, move, version)

    return announcement


def besides(further: Announcement) -> Announcement:
    """A sound announcement, and something else."""
    return both(soundly, further)


FAILOVER: Final = Handover(moves=("failover",), detects_again=False, styles=("silent", "silent"))
"""Two attempts are enough where what is judged is the suite."""


def announcing(announcement: Announcement, handover: Handover = FAILOVER) -> Callable[[Lab], Mover]:
    """A mover that announces by itself."""

    def made(lab: Lab) -> Mover:
        return mover(lab, flat_bridge(lab), Announcer(), announcement, handover)

    return made


def mover(lab: Lab, design: Design, speaker: Announcer, announcement: Announcement, handover: Handover) -> Mover:
    """A mover for which a speaker announces."""
    opened = handover.opened

    def open_too(namespace: Namespace) -> None:
        opened(namespace)
        speaker.open(namespace)

    own = replace(handover, opened=open_too, announce=partial(announcement, speaker))
    return Mover(lab, replace(design, said=speaker.said), own)


def sound(new: Allocation, address: Interface, **changes: Any) -> bytes:
    """The announcement of an address in due form, or with one thing changed."""
    if address.version == 4:
        operation = changes.pop("operation", arp.REQUEST)
        mac = changes.pop("mac", new.mac)
        return arp.build(operation, mac, address.ip, address.ip, **changes)
    return ndp.advertisement(address.ip, changes.pop("mac", new.mac), **changes)


def rarp(mac: str, *, tag: int | None = None) -> bytes:
    """A reverse request as hypervisors send it to teach switches (RFC 903: op 3, all addresses zero)."""
    frame = arp.build(3, mac, arp.UNSET, arp.UNSET, target_mac=mac, ethertype=ethertypes.RARP)
    return frame if tag is None else ethertypes.tagged(frame, tag)


def wrote_down(words: str) -> Witness:
    """A witness: the network's own account of what it sent has these words."""

    def witness(record: Record) -> str | None:
        for snapshot in record.snapshots:
            said = [one for one in snapshot.further.get(SAID, ()) if words in one["what"]]
            if said:
                return f"{len(said)} times: {said[0]['where']} {said[0]['what']}"
        return None

    return witness


def mover_fault(
    name: str, title: str, design: Callable[[Lab], Network], *fails: str, words: str = "announces", **further: Any
) -> Fault:
    """A fault of a mover whose design is planted in the reference's place; its witness, unless another one is given, is
    that it `wrote_down` these words."""
    given: dict[str, Any] = {"network": "linux-mover", "scenarios": ONLY, "witness": wrote_down(words), **further}
    return Fault(name=name, title=title, design=design, fails=frozenset(fails), **given)
