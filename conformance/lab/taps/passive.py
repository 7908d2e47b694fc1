"""Listening on an interface of this machine: nothing is sent, nothing is changed but the groups that this socket hears.

Only frames of link protocols are taken, by a filter in the kernel, so that a busy port costs nothing.
"""

from __future__ import annotations

import os
import select
import socket
import time
from pathlib import Path
from struct import pack, unpack
from typing import Final

from conformance import __version__
from conformance.lab.taps.listen import keep_tags, with_tag
from conformance.lab.taps.ring import ETH_P_ALL, Instruction, attach
from conformance.protocols import ethertypes
from conformance.recording.capture import FLAG_INBOUND, FLAG_OUTBOUND
from conformance.recording.pcapng import Writer

_SOL_PACKET: Final = 263
_ADD_MEMBERSHIP: Final = 1
_STATISTICS: Final = 6
_TIMESTAMP: Final = 35
"""SO_TIMESTAMPNS."""
_MULTICAST: Final = 0
_OUTGOING: Final = 4
_LARGEST: Final = 1 << 16
_BUFFER: Final = 4 << 20

_RESERVED: Final = 0x0180C200
_FILTER: Final[tuple[Instruction, ...]] = (
    (0x20, 0, 0, 0),  # A = the first four bytes of the destination
    (0x15, 4, 0, _RESERVED),
    (0x28, 0, 0, 12),  # A = EtherType; the kernel has taken the tag out
    (0x15, 2, 0, ethertypes.LLDP),
    (0x15, 1, 0, ethertypes.SLOW_PROTOCOLS),
    (0x15, 0, 1, ethertypes.RARP),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)


def hear(interface: str, seconds: float, path: Path) -> int:
    """Record what `interface` carries of link protocols for so many seconds into `path`; returns how many frames.

    Ends early at a keyboard interrupt, with what was heard until then. Raises OSError where the interface is not there
    or may not be listened on.
    """
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0) as listener:
        attach(listener, _FILTER)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        listener.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)
        keep_tags(listener)
        listener.bind((interface, ETH_P_ALL))
        number = socket.if_nametoindex(interface)
        for last in range(0x10):
            group = pack("=iHH8s", number, _MULTICAST, 6, bytes.fromhex("0180c20000") + bytes((last, 0, 0)))
            listener.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, group)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as stream:
                writer = Writer(stream, application=f"plugfest {__version__}")
                tap = writer.interface(interface, mac=listener.getsockname()[4])
                heard = _write(listener, writer, tap, time.monotonic() + seconds)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return heard


def _write(listener: socket.socket, writer: Writer, tap: int, until: float) -> int:
    heard = 0
    try:
        while (left := until - time.monotonic()) > 0:
            if not select.select([listener], [], [], left)[0]:
                break
            heard += _take(listener, writer, tap)
    except KeyboardInterrupt:
        pass
    _, dropped = unpack("=II", listener.getsockopt(_SOL_PACKET, _STATISTICS, 8))
    writer.statistics(tap, time.time_ns(), received=heard, dropped=dropped)
    return heard


def _take(listener: socket.socket, writer: Writer, tap: int) -> int:
    """Write every frame that is there; how many."""
    count = 0
    while True:
        try:
            frame, ancillary, _, origin = listener.recvmsg(_LARGEST, 256)
        except BlockingIOError:
            return count
        moment = time.time_ns()
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _TIMESTAMP and len(data) >= 16:
                seconds, fraction = unpack("=qq", data[:16])
                moment = seconds * 10**9 + fraction
        flags = FLAG_OUTBOUND if origin[2] == _OUTGOING else FLAG_INBOUND
        writer.frame(tap, moment, with_tag(frame, ancillary), flags=flags)
        count += 1
