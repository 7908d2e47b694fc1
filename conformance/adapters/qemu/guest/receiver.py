"""The receiver of streams in a guest: probes wait in its socket until they are asked for, beside the network."""

from __future__ import annotations

import socket
import time
from array import array
from struct import Struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.adapters.qemu.guest import calls
from conformance.adapters.qemu.guest.addresses import unpacked
from conformance.adapters.qemu.guest.calls import Call, Memory, room
from conformance.adapters.qemu.guest.remote import RemoteSocket
from conformance.lab.streams.plan import ARRIVAL, PORT, TICK
from conformance.lab.streams.receiver import joined
from conformance.protocols.marker import mark

_AT_ONCE: Final = 100
_PAUSE: Final = 0.2
"""Seconds between two times that a guest is asked: it has better things to do."""
_SIZE, _NAME = 32, 28
_BUFFER: Final = 16 << 20
PAGES: Final = "8192 8192 8192"
"""What all UDP sockets of a guest may hold: what comes while nobody can ask, for as long as a migration takes."""
_SO_RCVBUFFORCE, _SO_MEMINFO = 33, 55
_MEMINFO: Final = Struct("=9I")
"""The last number is how many packets the socket has dropped (SK_MEMINFO_DROPS)."""
_PROBE: Final = Struct("!8xQQ")
_LENGTH: Final = Struct("=I")


class RemoteReceiver:
    """A `conformance.lab.streams.receiver.Receiver` by a guest's socket, which it binds.

    It asks for what has arrived only a few times a second, and never while the guest moves. The guest's clock is not
    ours: the time of an arrival is that of its sending, from `stamps`. Raises OSError.
    """

    def __init__(self, opened: RemoteSocket, place: str, stamps: array[int]) -> None:
        self.place = place
        self.answers = self.is_new = self.ended = False
        self.overflowed = 0
        self._parts: list[NDArray[Any]] = []
        self._stamps = stamps
        self._asked = 0.0
        self._channel = opened.channel
        self._socket = opened
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        opened.bind(("::", PORT))

    @property
    def arrivals(self) -> NDArray[Any]:
        """Everything that has arrived."""
        return joined(self._parts)

    def take(self) -> NDArray[Any]:
        """What has arrived, where it is time to ask."""
        now = time.monotonic()
        if not self.ended and (now - self._asked < _PAUSE or self._channel.busy()):
            return np.empty(0, dtype=ARRIVAL)
        self._asked = now
        new = []
        while True:
            found, peers = self._some()
            new.append(found)
            if self.answers and not self.ended:
                self._reply(found, peers)
            if len(found) < _AT_ONCE:
                break
        if self.ended:
            self.overflowed = _MEMINFO.unpack(self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[8]
        self._parts += new
        return np.concatenate(new)

    def _some(self) -> tuple[NDArray[Any], list[Any]]:
        """At most so many probes at once, and where each came from."""
        data = [room(_SIZE) for _ in range(_AT_ONCE)]
        names = [room(_NAME) for _ in data]
        asked = [
            Call(calls.RECVFROM, (self._socket.descriptor, one, _SIZE, socket.MSG_DONTWAIT, name, _length()), stop=True)
            for one, name in zip(data, names, strict=True)
        ]
        count = sum(result >= 0 for result in self._channel.request(asked))
        found = np.empty(count, dtype=ARRIVAL)
        for number, one in enumerate(data[:count]):
            flow, tick = _PROBE.unpack_from(one.after)
            found[number] = (flow, tick, self._stamps[tick] if tick < len(self._stamps) else 0)
        return found, [unpacked(name.after) for name in names[:count]]

    def _reply(self, found: NDArray[Any], peers: list[Any]) -> None:
        """One datagram back to each stream."""
        for flow in np.unique(found["flow"]).tolist():
            last = int(np.flatnonzero(found["flow"] == flow)[-1])
            tick = TICK.pack(int(found["tick"][last]))
            try:
                self._socket.sendto(mark(flow) + tick, peers[last][:2])
            except OSError:
                continue

    def close(self) -> None:
        """Close the guest's socket."""
        self._socket.close()


def _length() -> Memory:
    return Memory((_LENGTH.pack(_NAME),), returned=True)
