"""Canaries: frames with a nonce that prove that a path, and the tap on it, carry frames of a form."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from ipaddress import IPv4Address, IPv6Address
from struct import pack
from typing import Final, Literal, NamedTuple, get_args

from conformance.lab.kernel.namespace import Namespace
from conformance.protocols import ethertypes
from conformance.protocols.mac import BROADCAST, mac_bytes, multicast_mac
from conformance.protocols.ndp import checksum

Form = Literal["experimental", "rarp-untagged", "rarp-tagged", "ipv4-multicast", "ipv6-multicast"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)

PREFIX: Final = b"CANARY"
"""Every nonce starts with it: a canary is never taken for traffic of the implementation."""
NONCE: Final = 16
VLAN: Final = 100
"""Of a tagged canary, unless said otherwise."""
DISCARD: Final = 9
"""UDP port of the multicast forms (RFC 863)."""
GROUP_V4: Final = IPv4Address("233.252.0.71")
SOURCE_V4: Final = IPv4Address("192.0.2.71")
GROUP_V6: Final = IPv6Address("ff0e::db8:504c:5546")
SOURCE_V6: Final = IPv6Address("2001:db8::71")
"""Groups and sources of the documentation ranges (RFC 5771 §9.2, RFC 5737, RFC 6676 §2, RFC 3849)."""

_SIOCGIFHWADDR: Final = 0x8927
_SHORTEST: Final = 60


class SentCanary(NamedTuple):
    """A canary that has been handed to the kernel at `time_ns`; `nonce` is in its payload as it stands."""

    nonce: bytes
    time_ns: int


def send_canary(namespace: Namespace, interface: str, form: str = "experimental", *, vlan: int = VLAN) -> SentCanary:
    """Send one canary out of `interface`, with that interface's own MAC address as its source.

    Raises ValueError for an unknown form, OSError where the interface is missing or down. The socket is closed in the
    background: closing a packet socket waits for a grace period of the kernel.
    """
    nonce = PREFIX + os.urandom(NONCE - len(PREFIX))
    sender = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        frame = build(form, nonce, _mac(sender, interface), vlan=vlan)
        moment = time.time_ns()
        sender.sendto(frame, (interface, 0))
    finally:
        threading.Thread(target=sender.close, name="canary-close").start()
    return SentCanary(nonce, moment)


def build(form: str, nonce: bytes, mac: bytes, *, vlan: int = VLAN) -> bytes:
    """The canary's frame, 60 bytes at least. Raises ValueError for an unknown form.

    The RARP forms are whole requests (RFC 903) with the nonce behind them; the multicast forms are UDP datagrams to
    the discard port, with TTL or hop limit 1.
    """
    match form:
        case "experimental":
            frame = mac_bytes(BROADCAST) + mac + ethertypes.octets(ethertypes.EXPERIMENT) + nonce
        case "rarp-untagged" | "rarp-tagged":
            tag = ethertypes.tag(vlan) if form == "rarp-tagged" else b""
            body = pack("!HHBBH", 1, ethertypes.IPV4, 6, 4, 3) + mac + bytes(4) + mac + bytes(4)
            frame = mac_bytes(BROADCAST) + mac + tag + ethertypes.octets(ethertypes.RARP) + body + nonce
        case "ipv4-multicast":
            frame = mac_bytes(multicast_mac(GROUP_V4)) + mac + ethertypes.octets(ethertypes.IPV4) + _ipv4(nonce)
        case "ipv6-multicast":
            frame = mac_bytes(multicast_mac(GROUP_V6)) + mac + ethertypes.octets(ethertypes.IPV6) + _ipv6(nonce)
        case _:
            raise ValueError(f"no canary has the form {form!r}; there are {', '.join(FORMS)}")
    return frame.ljust(_SHORTEST, b"\0")


def _ipv4(nonce: bytes) -> bytes:
    datagram = _udp(nonce, SOURCE_V4.packed + GROUP_V4.packed + pack("!BBH", 0, 17, 8 + len(nonce)))
    head = pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0x4000, 1, 17, 0) + SOURCE_V4.packed + GROUP_V4.packed
    return head[:10] + pack("!H", checksum(head)) + head[12:] + datagram


def _ipv6(nonce: bytes) -> bytes:
    datagram = _udp(nonce, SOURCE_V6.packed + GROUP_V6.packed + pack("!II", 8 + len(nonce), 17))
    return pack("!IHBB", 0x6000_0000, len(datagram), 17, 1) + SOURCE_V6.packed + GROUP_V6.packed + datagram


def _udp(nonce: bytes, pseudo: bytes) -> bytes:
    head = pack("!HHHH", DISCARD, DISCARD, 8 + len(nonce), 0)
    return head[:6] + pack("!H", checksum(pseudo + head + nonce) or 0xFFFF) + nonce


def _mac(sender: socket.socket, interface: str) -> bytes:
    answer: bytes = fcntl.ioctl(sender, _SIOCGIFHWADDR, pack("16s24x", interface.encode()))
    return answer[18:24]
