"""Receivers of streams: sockets that take probes in a namespace, here or in another kernel."""

from __future__ import annotations

import socket
from array import array
from collections.abc import Sequence
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from conformance.lab.kernel.namespace import Namespace
from conformance.lab.streams.messages import AT_ONCE, Buffers
from conformance.lab.streams.plan import ARRIVAL, PORT, TICK
from conformance.protocols.marker import mark

_BUFFER: Final = 4 << 20
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS, _SO_RXQ_OVFL = 33, 35, 40


class Receiver(Protocol):
    """Takes probes of both families at one place.

    With `answers` it sends one datagram back to each stream that arrived, whenever it is drained. `is_new` says that
    the endpoint has moved there: streams that arrive there steadily are retired. `ended` says that nothing is sent any
    more. `overflowed` is how many probes its socket has dropped.
    """

    place: str
    answers: bool
    is_new: bool
    ended: bool
    overflowed: int

    @property
    def arrivals(self) -> NDArray[Any]:
        """Everything that has arrived, as an array of `ARRIVAL`: flow, tick, time in ns."""

    def take(self) -> NDArray[Any]:
        """Drain it; return what was there."""

    def close(self) -> None:
        """Receive no more."""


@runtime_checkable
class ReceivingStreams(Protocol):
    """A namespace that makes its receivers itself, since its sockets cannot be drained like those of this machine."""

    def receiver(self, place: str, stamps: array[int]) -> Receiver:
        """A receiver called `place`; `stamps` is when each tick was sent, in ns. Raises OSError."""


def joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Arrivals in parts as one array."""
    return np.concatenate(parts) if parts else np.empty(0, dtype=ARRIVAL)


class SocketReceiver:
    """A `Receiver` by a socket of this machine, whose kernel says when each probe arrived."""

    def __init__(self, namespace: Namespace, place: str, buffers: Buffers, *, own: socket.socket | None = None) -> None:
        self.place = place
        self.answers = False
        self.is_new = False
        self.ended = False
        self.overflowed = 0
        self._buffers = buffers
        self._parts: list[NDArray[Any]] = []
        self._socket = own or namespace.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            if own is None:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            _widen(self._socket)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
            self._socket.setblocking(False)
            if own is None:
                self._socket.bind(("::", PORT))
        except BaseException:
            self._socket.close()
            raise

    @property
    def arrivals(self) -> NDArray[Any]:
        """See `Receiver.arrivals`."""
        return joined(self._parts)

    def take(self) -> NDArray[Any]:
        """See `Receiver.take`."""
        new = []
        while (count := self._buffers.receive(self._socket.fileno())) > 0:
            found, dropped = self._buffers.decode(count)
            self.overflowed = max(self.overflowed, dropped)
            new.append(found)
            if self.answers:
                self._answer(found)
            if count < AT_ONCE:
                break
        self._parts += new
        return joined(new)

    def _answer(self, found: NDArray[Any]) -> None:
        for flow in np.unique(found["flow"]).tolist():
            last = int(np.flatnonzero(found["flow"] == flow)[-1])
            try:
                self._socket.sendto(mark(flow) + TICK.pack(int(found["tick"][last])), self._buffers.peer(last))
            except OSError:
                continue

    def close(self) -> None:
        """See `Receiver.close`."""
        self._socket.close()


def _widen(opened: socket.socket) -> None:
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
