"""A mover that announces by itself, in frames of its own making: what faults of moves are planted in.

The kernel's own notifications are off. Unless a fault says otherwise it is a sound mover: one broadcast ARP
announcement and one advertisement to all nodes for each address, as soon as it is usable.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from typing import Any, Final

from conformance.adapters.interface import Endpoint, Interface
from conformance.adapters.interface.powers import Attempting, MoveKind, MoveStyle, Moving
from conformance.adapters.linux.mover import Mover
from conformance.adapters.linux.network import INTERFACE, Allocation
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Host, Lab
from conformance.protocols import arp, ethertypes, ndp
from conformance.recording.model import Record
from conformance.selftest.fault import SAID, Fault, Witness

ONLY: Final = frozenset({"move"})
"""The scenario in which what movers do wrong shows."""


class Announcer(Mover):
    """`said` is what it sent, in words, with the time and the place."""

    powers: tuple[type, ...] = (Moving, Attempting)
    moves: tuple[MoveKind, ...] = ("failover",)
    detects_again = False
    styles: tuple[MoveStyle, ...] = ("silent", "silent")
    """Two attempts are enough where what is judged is the suite."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.said: list[dict[str, Any]] = []
        self._senders: dict[Namespace, socket.socket] = {}
        self._opening = threading.Lock()

    def announce(self, old: Allocation, new: Allocation, version: int) -> None:
        """Say what `frames` makes of each address."""
        for address in new.addresses:
            if address.version == version:
                self.say(new.namespace, f"announces {address.ip}", self.frames(old, new, address))

    def frames(self, old: Allocation, new: Allocation, address: Interface) -> list[bytes]:
        """What announces one address."""
        del old
        return [sound(new, address)]

    def target_namespace(self, endpoint: Endpoint, to: Host, kind: MoveKind) -> Namespace:
        """As the mover does, with a socket to announce by: nothing is to be waited for when it moves."""
        namespace = super().target_namespace(endpoint, to, kind)
        self._sender(namespace)
        return namespace

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
    name: str, title: str, design: type[Announcer], *fails: str, words: str = "announces", **further: Any
) -> Fault:
    """A fault of a mover whose design is planted in the reference's place; its witness, unless another one is given, is
    that it `wrote_down` these words."""
    given: dict[str, Any] = {"network": "linux-mover", "scenarios": ONLY, "witness": wrote_down(words), **further}
    return Fault(name=name, title=title, design=design, fails=frozenset(fails), **given)
