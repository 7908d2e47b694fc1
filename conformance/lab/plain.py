"""The plain cables of a testbed of ports, tried from both ends before an implementation is there: the control of what
is judged on them. A lab whose cables keep a reserved address to themselves, or lead elsewhere, would be taken for it.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from conformance import limits
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import PARTNERS, Lab
from conformance.lab.taps.canary import NONCE, PREFIX
from conformance.protocols import ethertypes
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.mac import BROADCAST, mac_bytes, mac_text
from conformance.protocols.stp import frames as stp
from conformance.recording.events.links import CablePlain

GROUPS: Final = (stp.GROUP, lacp.GROUP, mac_text(lldp.NEAREST_BRIDGE), BROADCAST)
"""Where everything goes that is judged on ports: to bridges, to the slow protocols, to LLDP agents, to everybody."""
_SHORTEST: Final = 60


@dataclass(frozen=True, slots=True)
class _End:
    """One end of a cable: its place and interface, as their tap calls them, and its MAC address."""

    namespace: Namespace
    place: str
    interface: str
    mac: str

    @property
    def name(self) -> str:
        return f"{self.place}:{self.interface}"


def try_cables(lab: Lab) -> list[CablePlain]:
    """A frame to each of `GROUPS` from each end of each cable, all at once. One event for each way: `where` is the tap
    at the far end, `nonces` those of the frames by group, `heard` how often each came in anywhere in that namespace.

    Empty where there are no cables, or where the port at the far end is not on this machine.
    """
    ways = [way for one, other in _cables(lab) for way in ((one, other), (other, one))]
    if not ways:
        return []
    with ExitStack() as opened:
        places = {end.place: end.namespace for way in ways for end in way}
        listeners = {
            place: opened.enter_context(_socket(namespace, ethertypes.EXPERIMENT))
            for place, namespace in places.items()
        }
        moment = time.time_ns()
        sent: dict[bytes, tuple[_End, _End, str]] = {}
        for source, target in ways:
            for group in GROUPS:
                nonce = PREFIX + os.urandom(NONCE - len(PREFIX))
                sent[nonce] = source, target, group
                frame = mac_bytes(group) + mac_bytes(source.mac) + ethertypes.octets(ethertypes.EXPERIMENT) + nonce
                with suppress(OSError):  # what could not even be sent has not arrived
                    listeners[source.place].sendto(frame.ljust(_SHORTEST, b"\0"), (source.interface, 0))
        heard = _hear(listeners, sent)
    return [_event(moment, way, sent, heard) for way in ways]


def _cables(lab: Lab) -> Iterator[tuple[_End, _End]]:
    for host in lab.hosts.values():
        for cable in host.cables:
            if lab.partners is not None and cable.interface:
                near = _End(host.namespace, host.name, cable.interface, cable.mac)
                yield near, _End(lab.partners, PARTNERS, cable.far, cable.far_mac)


def _socket(namespace: Namespace, ethertype: int) -> socket.socket:
    return namespace.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ethertype))


def _hear(listeners: dict[str, socket.socket], sent: dict[bytes, tuple[_End, _End, str]]) -> Counter[tuple[bytes, str]]:
    """How often each nonce came in at each tap; ends when each has come in where it must, or at the deadline."""
    heard: Counter[tuple[bytes, str]] = Counter()
    awaited = {(nonce, target.name) for nonce, (_, target, _) in sent.items()}
    until = time.monotonic() + limits.CANARY
    while (left := until - time.monotonic()) > 0 and awaited:
        ready = select.select(list(listeners.values()), [], [], left)[0]
        for place, listener in listeners.items():
            if listener in ready:
                frame, origin = listener.recvfrom(1 << 11)
                came = frame[14 : 14 + NONCE], f"{place}:{origin[0]}"
                heard[came] += 1
                awaited.discard(came)
    return heard


def _event(
    moment: int, way: tuple[_End, _End], sent: dict[bytes, tuple[_End, _End, str]], heard: Counter[tuple[bytes, str]]
) -> CablePlain:
    source, target = way
    mine = {nonce: group for nonce, (one, _, group) in sent.items() if one is source}
    return CablePlain(
        time_ns=moment,
        where=target.name,
        source=source.name,
        nonces={group: nonce.hex() for nonce, group in mine.items()},
        heard={
            group: {tap: count for (which, tap), count in sorted(heard.items()) if which == nonce}
            for nonce, group in mine.items()
        },
    )
