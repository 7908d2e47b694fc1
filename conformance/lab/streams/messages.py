"""Many datagrams by one system call: sendmmsg(2) sends a probe of each stream, recvmmsg(2) takes what has arrived."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.lab.streams.plan import ARRIVAL, PORT, TICK, StreamPlan
from conformance.protocols.marker import mark

AT_ONCE: Final = 256
"""Datagrams that one call receives at most."""
_PAYLOAD, _CONTROL, _NAME = 32, 96, 28

_libc = ctypes.CDLL(None, use_errno=True)


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


class Batch:
    """Messages from one socket, one for each stream, that differ only in their flow's mark; the tick is shared."""

    def __init__(self, sender: socket.socket, plans: Sequence[StreamPlan], tick: Any) -> None:
        self._descriptor = sender.fileno()
        self._count = len(plans)
        self._keep: list[Any] = [tick]
        self._messages = (_Message * max(1, self._count))()
        for message, plan in zip(self._messages, plans, strict=False):
            name = _name(plan)
            vectors = (_Vector * 2)()
            marker = ctypes.create_string_buffer(mark(plan.flow), 16)
            vectors[0].base, vectors[0].length = ctypes.addressof(marker), 16
            vectors[1].base, vectors[1].length = ctypes.addressof(tick), TICK.size
            message.header.name, message.header.name_length = ctypes.addressof(name), len(name)
            message.header.vectors, message.header.vector_count = ctypes.addressof(vectors), 2
            self._keep += [name, vectors, marker]
        self._size = ctypes.sizeof(_Message)
        self._start = ctypes.addressof(self._messages)

    def send(self) -> None:
        """Send one of each. What the kernel refuses (no neighbour, no route) is lost like what a wire loses."""
        done = 0
        while done < self._count:
            sent = _libc.sendmmsg(
                self._descriptor, ctypes.c_void_p(self._start + done * self._size), self._count - done, 0x40
            )
            done += max(sent, 0) + (0 if sent == self._count - done else 1)


def _name(plan: StreamPlan) -> Any:
    address = ip_address(plan.destination).packed
    if plan.family == "ipv4":
        raw = struct.pack("=H", socket.AF_INET) + struct.pack("!H", PORT) + address + bytes(8)
    else:
        raw = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", PORT, 0) + address + bytes(4)
    return ctypes.create_string_buffer(raw, len(raw))


class Buffers:
    """Buffers of one recvmmsg(2), used for every receiver in turn."""

    def __init__(self) -> None:
        self._payload = ctypes.create_string_buffer(AT_ONCE * _PAYLOAD)
        self._control = ctypes.create_string_buffer(AT_ONCE * _CONTROL)
        self._names = ctypes.create_string_buffer(AT_ONCE * _NAME)
        self._vectors = (_Vector * AT_ONCE)()
        self._messages = (_Message * AT_ONCE)()
        for number, (vector, message) in enumerate(zip(self._vectors, self._messages, strict=True)):
            vector.base = ctypes.addressof(self._payload) + number * _PAYLOAD
            vector.length = _PAYLOAD
            message.header.vectors, message.header.vector_count = ctypes.addressof(vector), 1
            message.header.name = ctypes.addressof(self._names) + number * _NAME
            message.header.control = ctypes.addressof(self._control) + number * _CONTROL

    def receive(self, descriptor: int) -> int:
        """How many datagrams were there: -1 for none."""
        for message in self._messages:
            message.header.control_length, message.header.name_length = _CONTROL, _NAME
        return int(_libc.recvmmsg(descriptor, self._messages, AT_ONCE, 0x40, None))

    def decode(self, count: int) -> tuple[NDArray[Any], int]:
        """The probes among the first `count` datagrams, and how many the socket has dropped so far."""
        payload = np.frombuffer(memoryview(self._payload), dtype=">u8").reshape(AT_ONCE, _PAYLOAD // 8)[:count]
        control = np.frombuffer(memoryview(self._control), dtype="=i8").reshape(AT_ONCE, _CONTROL // 8)[:count]
        found = np.empty(count, dtype=ARRIVAL)
        found["flow"], found["tick"] = payload[:, 1], payload[:, 2]
        found["time_ns"] = control[:, 2] * 10**9 + control[:, 3]
        reported = self._messages[count - 1].header.control_length > 32
        return found, int(control[count - 1, 6]) & 0xFFFF_FFFF if reported else 0

    def peer(self, number: int) -> tuple[str, int]:
        """Where a datagram came from."""
        raw = self._names.raw[number * _NAME : (number + 1) * _NAME]
        return socket.inet_ntop(socket.AF_INET6, raw[8:24]), int.from_bytes(raw[2:4], "big")
