"""Steady one-way streams of datagrams, counted by sockets where they arrive.

One thread sends: at every tick one sendmmsg(2) for each source and family, whatever the number of streams. Another one
drains the receivers with recvmmsg(2); every datagram has the kernel's time of arrival. Nothing is ever answered, unless
a receiver is asked to: a socket without a reader's answer sends nothing, not even an ICMP error.
"""

from __future__ import annotations

import ctypes
import socket
import threading
import time
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from conformance.lab.kernel.namespace import Namespace
from conformance.lab.streams.messages import Batch, Buffers
from conformance.lab.streams.plan import BULK_PORT, SAMPLE, SAMPLE_PORT, TICK, StreamPlan
from conformance.lab.streams.receiver import Receiver, ReceivingStreams, SocketReceiver
from conformance.recording.model import AddressFamily

SETTLED: Final = 500
"""After so many probes at the new place a stream needs no finer figure any more."""
BEHIND: Final = 20
"""Ticks that the sender makes up for when it was late; what it missed beyond was never sent, and is not lost."""


@dataclass
class Streams:
    """All streams of a lab, of `rate` probes a second each. Receivers are added with `receive`; `begin` starts sending,
    `end` stops everything.

    `retire` leaves a stream only its sampled probes, for as long as it is worth watching.
    """

    plans: Sequence[StreamPlan]
    rate: int
    stamps: array[int] = field(default_factory=lambda: array("q"))
    """When each tick was sent, in ns."""
    retired: dict[int, int] = field(default_factory=dict)
    """From which tick on only the sampled probes of a stream were sent."""

    def __post_init__(self) -> None:
        self._tick = ctypes.create_string_buffer(TICK.size)
        self._senders: dict[tuple[int, AddressFamily, bool], socket.socket] = {}
        self._buffers = Buffers()
        self.receivers: list[Receiver] = []
        self.returns: list[Receiver] = []
        self._batches: list[Batch] = []
        self._samples: list[Batch] = []
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
                    self.returns.append(SocketReceiver(plan.namespace, plan.source, self._buffers, own=sender))
        self._samples = self._grouped(self.plans, sampled=True)
        self._batches = self._grouped(self.plans, sampled=False)

    def _grouped(self, plans: Iterable[StreamPlan], *, sampled: bool) -> list[Batch]:
        groups: dict[tuple[int, AddressFamily, bool], list[StreamPlan]] = {}
        for plan in plans:
            groups.setdefault((id(plan.namespace), plan.family, sampled), []).append(plan)
        return [Batch(self._senders[key], members, self._tick) for key, members in groups.items()]

    def receive(self, namespace: Namespace, place: str) -> Receiver:
        """Take probes in a namespace from now on. Raises OSError."""
        made: Receiver
        if isinstance(namespace, ReceivingStreams):
            made = namespace.receiver(place, self.stamps)
        else:
            made = SocketReceiver(namespace, place, self._buffers)
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
            TICK.pack_into(self._tick, 0, tick)
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
        while not self._ended.wait(0.02):
            self._drain_once()

    def _drain_once(self) -> None:
        with self._lock:
            everyone = [*self.receivers, *self.returns]
        for receiver in everyone:
            found = receiver.take()
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
            self._drain_once()
        self._close()

    def _close(self) -> None:
        for sender in self._senders.values():
            sender.close()
        for receiver in self.receivers:
            receiver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
