"""Steady one-way streams of datagrams, a thousand a second each, counted by sockets where they arrive.

One thread sends: at every tick one sendmmsg(2) for each source and family, whatever the number of streams. Another one
drains the receivers with recvmmsg(2); every datagram has the kernel's time of arrival. Nothing is ever answered, unless
a receiver is asked to: a socket without a reader's answer sends nothing, not even an ICMP error.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import threading
import time
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from conformance.adapters.qemu.guest import GuestNamespace
from conformance.lab.kernel.namespace import Namespace
from conformance.protocols import ethertypes
from conformance.protocols.marker import mark
from conformance.recording.model import Family

SAMPLE: Final = 50
"""One probe in so many is sent from `SAMPLE_PORT`, which taps keep."""
SETTLED: Final = 500
"""After so many probes at the new place a stream needs no finer figure any more."""
PORT: Final = 5600
BULK_PORT: Final = 5601
SAMPLE_PORT: Final = 5602
"""UDP ports of the suite: where probes are received, and from where they are sent."""
BEHIND: Final = 20
"""Ticks that the sender makes up for when it was late; what it missed beyond was never sent, and is not lost."""
BUFFER: Final = 4 << 20

_TICK: Final = struct.Struct("!Q")
_AT_ONCE: Final = 256
_PAYLOAD, _CONTROL, _NAME = 32, 96, 28
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS, _SO_RXQ_OVFL = 33, 35, 40
ARRIVAL: Final = np.dtype([("flow", "u8"), ("tick", "u8"), ("time_ns", "i8")])

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


@dataclass(frozen=True, slots=True)
class Plan:
    """One stream: from `source` (in `namespace`) to `destination`. `flow` is unique in the recording."""

    flow: int
    namespace: Namespace
    source: str
    family: Family
    destination: str


class _Batch:
    """Messages from one socket, one for each stream, that differ in their flow's mark alone; the tick is shared."""

    def __init__(self, sender: socket.socket, plans: Sequence[Plan], tick: Any) -> None:
        self._descriptor = sender.fileno()
        self._count = len(plans)
        self._keep: list[Any] = [tick]
        self._messages = (_Message * max(1, self._count))()
        for message, plan in zip(self._messages, plans, strict=False):
            name = _name(plan)
            vectors = (_Vector * 2)()
            marker = ctypes.create_string_buffer(mark(plan.flow), 16)
            vectors[0].base, vectors[0].length = ctypes.addressof(marker), 16
            vectors[1].base, vectors[1].length = ctypes.addressof(tick), _TICK.size
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


def _name(plan: Plan) -> Any:
    address = ip_address(plan.destination).packed
    if plan.family == "ipv4":
        raw = struct.pack("=H", socket.AF_INET) + struct.pack("!H", PORT) + address + bytes(8)
    else:
        raw = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", PORT, 0) + address + bytes(4)
    return ctypes.create_string_buffer(raw, len(raw))


class Receiver:
    """A socket that takes probes of both families in a namespace, called `place`.

    With `answers` it sends one datagram back to each stream that arrived, whenever it is drained. `is_new` says that
    it is where the endpoint has moved to: streams that arrive there steadily are retired.
    """

    def __init__(self, namespace: Namespace, place: str, *, own: socket.socket | None = None) -> None:
        self.place = place
        self.answers = False
        self.is_new = False
        self.ended = False
        self.overflowed = 0
        self._parts: list[NDArray[Any]] = []
        self.socket = own or namespace.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            if own is None:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            _widen(self.socket)
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
            self.socket.setblocking(False)
            if own is None:
                self.socket.bind(("::", PORT))
        except BaseException:
            self.socket.close()
            raise

    @property
    def arrivals(self) -> NDArray[Any]:
        """Everything that has arrived, as an array of (flow, tick, time_ns)."""
        return np.concatenate(self._parts) if self._parts else np.empty(0, dtype=ARRIVAL)

    def take(self, room: _Room) -> NDArray[Any]:
        """Drain the socket; returns what was there."""
        new = []
        while (count := room.receive(self.socket.fileno())) > 0:
            found, dropped = room.decode(count)
            self.overflowed = max(self.overflowed, dropped)
            new.append(found)
            if self.answers:
                self._answer(room, found)
            if count < _AT_ONCE:
                break
        self._parts += new
        return np.concatenate(new) if new else np.empty(0, dtype=ARRIVAL)

    def _answer(self, room: _Room, found: NDArray[Any]) -> None:
        for flow in np.unique(found["flow"]).tolist():
            last = int(np.flatnonzero(found["flow"] == flow)[-1])
            try:
                self.socket.sendto(mark(flow) + _TICK.pack(int(found["tick"][last])), room.peer(last))
            except OSError:
                continue


class _Room:
    """Buffers of one recvmmsg(2), used for every receiver in turn."""

    def __init__(self) -> None:
        self._payload = ctypes.create_string_buffer(_AT_ONCE * _PAYLOAD)
        self._control = ctypes.create_string_buffer(_AT_ONCE * _CONTROL)
        self._names = ctypes.create_string_buffer(_AT_ONCE * _NAME)
        self._vectors = (_Vector * _AT_ONCE)()
        self._messages = (_Message * _AT_ONCE)()
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
        return int(_libc.recvmmsg(descriptor, self._messages, _AT_ONCE, 0x40, None))

    def decode(self, count: int) -> tuple[NDArray[Any], int]:
        """The probes among the first `count` datagrams, and how many the socket has dropped so far."""
        payload = np.frombuffer(memoryview(self._payload), dtype=">u8").reshape(_AT_ONCE, _PAYLOAD // 8)[:count]
        control = np.frombuffer(memoryview(self._control), dtype="=i8").reshape(_AT_ONCE, _CONTROL // 8)[:count]
        found = np.empty(count, dtype=ARRIVAL)
        found["flow"], found["tick"] = payload[:, 1], payload[:, 2]
        found["time_ns"] = control[:, 2] * 10**9 + control[:, 3]
        told = self._messages[count - 1].header.control_length > 32
        return found, int(control[count - 1, 6]) & 0xFFFF_FFFF if told else 0

    def peer(self, number: int) -> tuple[str, int]:
        """Where a datagram came from."""
        raw = self._names.raw[number * _NAME : (number + 1) * _NAME]
        return socket.inet_ntop(socket.AF_INET6, raw[8:24]), int.from_bytes(raw[2:4], "big")


def _widen(opened: socket.socket) -> None:
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)


@dataclass
class Streams:
    """All streams of a lab. Receivers are added with `receive`; `begin` starts sending, `end` stops everything.

    `retire` leaves a stream its sampled probes alone: 20 a second, for as long as it is worth watching.
    """

    plans: Sequence[Plan]
    rate: int
    stamps: array[int] = field(default_factory=lambda: array("q"))
    """When each tick was sent, in ns."""
    retired: dict[int, int] = field(default_factory=dict)
    """From which tick on only the sampled probes of a stream were sent."""

    def __post_init__(self) -> None:
        self._tick = ctypes.create_string_buffer(_TICK.size)
        self._senders: dict[tuple[int, Family, bool], socket.socket] = {}
        self.receivers: list[Receiver] = []
        self.returns: list[Receiver] = []
        self._batches: list[_Batch] = []
        self._samples: list[_Batch] = []
        self._retiring: list[int] = []
        self._settled: dict[int, int] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        try:
            self._open()
        except BaseException:
            self._close()
            raise

    def _open(self) -> None:
        for plan in self.plans:
            for sampled in (False, True):
                key = (id(plan.namespace), plan.family, sampled)
                if key not in self._senders:
                    family = socket.AF_INET if plan.family == "ipv4" else socket.AF_INET6
                    sender = plan.namespace.socket(family, socket.SOCK_DGRAM)
                    self._senders[key] = sender
                    if plan.family == "ipv6":
                        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    sender.bind(("", SAMPLE_PORT if sampled else BULK_PORT))
                    self.returns.append(Receiver(plan.namespace, plan.source, own=sender))
        self._samples = self._grouped(self.plans, sampled=True)
        self._batches = self._grouped(self.plans, sampled=False)

    def _grouped(self, plans: Iterable[Plan], *, sampled: bool) -> list[_Batch]:
        groups: dict[tuple[int, Family, bool], list[Plan]] = {}
        for plan in plans:
            groups.setdefault((id(plan.namespace), plan.family, sampled), []).append(plan)
        return [_Batch(self._senders[key], members, self._tick) for key, members in groups.items()]

    def receive(self, namespace: Namespace, place: str) -> Receiver:
        """Take probes in a namespace from now on. Raises OSError."""
        made: Receiver
        if isinstance(namespace, GuestNamespace):
            from conformance.adapters.qemu.guest.receiver import RemoteReceiver

            made = RemoteReceiver(namespace, place, self.stamps)
        else:
            made = Receiver(namespace, place)
        with self._lock:
            self.receivers.append(made)
        return made

    def begin(self) -> None:
        """Start to send and to count."""
        for work in (self._send, self._drain):
            thread = threading.Thread(target=work, name=f"streams-{work.__name__.strip('_')}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def retire(self, flows: Iterable[int]) -> None:
        """From now on send only the sampled probes of these streams."""
        with self._lock:
            self._retiring += flows

    def _send(self) -> None:
        start, step = time.monotonic_ns(), 10**9 // self.rate
        tick = 0
        while not self._ended.is_set():
            late = time.monotonic_ns() - start
            if late < 0:
                self._ended.wait(-late / 1e9)
                continue
            if late > BEHIND * step:
                start += late - late % step
            start += step
            self._retire(tick)
            _TICK.pack_into(self._tick, 0, tick)
            self.stamps.append(time.time_ns())
            for batch in self._samples if tick % SAMPLE == 0 else self._batches:
                batch.send()
            tick += 1

    def _retire(self, tick: int) -> None:
        if self._retiring:
            with self._lock:
                gone, self._retiring = self._retiring, []
            for flow in gone:
                self.retired.setdefault(flow, tick)
            self._batches = self._grouped((p for p in self.plans if p.flow not in self.retired), sampled=False)

    def _drain(self) -> None:
        room = _Room()
        while not self._ended.wait(0.02):
            self._drain_once(room)

    def _drain_once(self, room: _Room) -> None:
        with self._lock:
            everyone = [*self.receivers, *self.returns]
        for receiver in everyone:
            found = receiver.take(room)
            if receiver.is_new and len(found):
                self._count(found)

    def _count(self, found: NDArray[Any]) -> None:
        """Retire the streams of which enough has arrived at the new place."""
        for flow, count in zip(
            *(column.tolist() for column in np.unique(found["flow"], return_counts=True)), strict=True
        ):
            before = self._settled.get(flow, 0)
            self._settled[flow] = before + count
            if before < SETTLED <= before + count:
                self.retire([flow])

    def end(self) -> None:
        """Stop sending, take what has arrived, close every socket."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        for receiver in self.receivers:
            receiver.ended = True
        if self._threads:
            self._drain_once(_Room())
        self._close()

    def _close(self) -> None:
        for sender in self._senders.values():
            sender.close()
        for receiver in self.receivers:
            receiver.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def keep_samples() -> tuple[tuple[int, int, int, int], ...]:
    """Classic BPF over whole frames: everything but the bulk probes (UDP from `BULK_PORT`), untagged."""
    return (
        (0x28, 0, 0, 12),  # 0: A = EtherType
        (0x15, 0, 5, ethertypes.IPV4),  # 1: IPv4, else 7
        (0x30, 0, 0, 23),
        (0x15, 0, 9, 17),  # 3: UDP, else keep
        (0xB1, 0, 0, 14),  # 4: X = length of the IPv4 header
        (0x48, 0, 0, 14),  # 5: A = source port
        (0x15, 5, 6, BULK_PORT),
        (0x15, 0, 5, ethertypes.IPV6),  # 7: IPv6, else keep
        (0x30, 0, 0, 20),
        (0x15, 0, 3, 17),
        (0x28, 0, 0, 54),  # 10: A = source port
        (0x15, 0, 1, BULK_PORT),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFF_FFFF),
    )
