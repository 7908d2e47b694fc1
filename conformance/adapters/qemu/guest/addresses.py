"""Socket addresses as the kernel has them (struct sockaddr), and as Python's sockets give and take them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from struct import Struct
from typing import Any, Final

ROOM: Final = 128
"""Bytes of the largest address (struct sockaddr_storage)."""
_INET: Final = Struct("=H2s4s8x")
_INET6: Final = Struct("=H2sI16sI")
_NETLINK: Final = Struct("=H2xII")
_PACKET: Final = Struct("=H2siHBB8s")


def packed(family: int, address: Any, index: Callable[[str], int]) -> bytes:
    """The kernel's form of an address of Python's; `index` tells the index of an interface. Raises OSError."""
    if family == socket.AF_INET:
        return _INET.pack(family, address[1].to_bytes(2, "big"), socket.inet_pton(family, address[0]))
    if family == socket.AF_INET6:
        text, _, zone = address[0].partition("%")
        scope = index(zone) if zone else (address[3] if len(address) > 3 else 0)
        return _INET6.pack(family, address[1].to_bytes(2, "big"), 0, socket.inet_pton(family, text), scope)
    if family == socket.AF_NETLINK:
        return _NETLINK.pack(family, *address)
    if family == socket.AF_PACKET:
        return _PACKET.pack(family, address[1].to_bytes(2, "big"), index(address[0]), 0, 0, 0, b"")
    raise ValueError(f"no address of family {family} can be sent into a guest")


def unpacked(data: bytes) -> Any:
    """Python's form of an address of the kernel's; the empty tuple where there is none."""
    if len(data) < 2:
        return ()
    family = int.from_bytes(data[:2], "little")
    if family == socket.AF_INET:
        _, port, raw = _INET.unpack_from(data)
        return (socket.inet_ntop(family, raw), int.from_bytes(port, "big"))
    if family == socket.AF_INET6:
        _, port, flow, raw, scope = _INET6.unpack_from(data)
        return (socket.inet_ntop(family, raw), int.from_bytes(port, "big"), flow, scope)
    if family == socket.AF_NETLINK:
        return tuple(_NETLINK.unpack_from(data)[1:])
    return ()
