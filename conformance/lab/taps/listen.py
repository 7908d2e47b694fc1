"""Waiting for one frame on one interface: a plain packet socket, which answers at once; a ring waits for a block."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Callable, Iterable
from struct import Struct
from typing import Any, Final, Self

from conformance.lab.kernel.namespace import Namespace
from conformance.lab.taps.ring import ETH_P_ALL, VLAN_TYPE_VALID, VLAN_VALID
from conformance.protocols import ethertypes

_SOL_PACKET: Final = 263
_PACKET_AUXDATA: Final = 8
_AUXDATA: Final = Struct("=IIIHHHH")
"""tpacket_auxdata of linux/if_packet.h: status, length, captured, mac, net, tag, tag type."""
_LARGEST: Final = 1 << 17


ROOM_FOR_TAG: Final = socket.CMSG_SPACE(_AUXDATA.size)
"""Bytes of ancillary data that a receiver of tags asks for."""


def keep_tags(raw: socket.socket) -> None:
    """Have the kernel hand over the VLAN tag that it takes off a frame."""
    raw.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)


def with_tag(frame: bytes, ancillary: Iterable[tuple[int, int, Any]]) -> bytes:
    """The frame with its VLAN tag put back, if it had one."""
    for level, kind, data in ancillary:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA) and len(data) >= _AUXDATA.size:
            status, _, _, _, _, tag, tag_type = _AUXDATA.unpack_from(data)
            if status & VLAN_VALID:
                tag_type = tag_type if status & VLAN_TYPE_VALID else ethertypes.CUSTOMER_TAG
                return bytes(frame[:12] + tag_type.to_bytes(2, "big") + tag.to_bytes(2, "big") + frame[12:])
    return bytes(frame)


class FrameListener:
    """Hears every frame of one interface, in and out, from its making on; make it before the stimulus."""

    def __init__(self, namespace: Namespace, interface: str) -> None:
        self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._place = f"{namespace.name}:{interface}"
        try:
            keep_tags(self._socket)
            self._socket.bind((interface, ETH_P_ALL))
        except BaseException:
            self._socket.close()
            raise

    def wait(self, predicate: Callable[[bytes], bool], deadline: float) -> bytes:
        """The first frame that `predicate` is true of. Raises TimeoutError after `deadline` seconds."""
        until = time.monotonic() + deadline
        while True:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                raise TimeoutError(f"{self._place}: no such frame within {deadline} s")
            frame = self._receive()
            if frame is not None and predicate(frame):
                return frame

    def _receive(self) -> bytes | None:
        try:
            frame, ancillary, _, _ = self._socket.recvmsg(_LARGEST, ROOM_FOR_TAG)
        except OSError as problem:
            if problem.errno in (errno.ENETDOWN, errno.EAGAIN):  # once after an interface was down
                return None
            raise
        return with_tag(frame, ancillary)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def wait_for_frame(namespace: Namespace, interface: str, predicate: Callable[[bytes], bool], deadline: float) -> bytes:
    """Wait for one frame that comes of itself (see `FrameListener` for one that a stimulus brings).

    Raises TimeoutError.
    """
    with FrameListener(namespace, interface) as listener:
        return listener.wait(predicate, deadline)
