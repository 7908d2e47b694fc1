"""The far end of TCP flows: a listener, and connections that answer with what they saw."""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

from conformance.lab.flow import payload
from conformance.lab.flow.arrivals import ArrivalLog
from conformance.lab.flow.loop import Loop
from conformance.lab.flow.payload import ANSWER, HOLD, Seen
from conformance.recording import model

NOW: Final = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
"""Neither wait nor raise a signal (as a plain number: flags of the socket module are slow to combine)."""
MORE: Final = int(socket.MSG_MORE)


class StreamEnd:
    """One TCP connection that answers queries; it closes behind the answer unless the query asks to hold it."""

    __slots__ = ("_arrivals", "_held", "_local", "_loop", "_peer", "_received", "_watched", "name", "socket")

    def __init__(
        self,
        name: str,
        opened: socket.socket,
        peer: tuple[Any, ...],
        loop: Loop,
        arrivals: ArrivalLog,
        *,
        held: bool = False,
    ) -> None:
        self.name = name
        self.socket = opened
        self._loop = loop
        self._arrivals = arrivals
        self._held = held
        self._watched = False
        self._received = b""
        self._peer = peer
        self._local = opened.getsockname()

    @property
    def peer(self) -> model.Socket:
        """The far end, as accept or connect gave it."""
        return payload.end(self._peer[0], self._peer[1])

    @property
    def local(self) -> model.Socket:
        """The near end: getsockname."""
        return payload.end(self._local[0], self._local[1])

    def send(self, message: bytes, flags: int = 0) -> None:
        """Send a message of a few bytes at once. Raises OSError."""
        if self.socket.fileno() < 0:
            raise ConnectionResetError(errno.ECONNRESET, "")
        self.socket.send(message, flags | NOW)

    def ready(self, _events: int = 0) -> None:
        """Read what is there; watch the connection only while something is missing."""
        try:
            data = self.socket.recv(65536 if self._received else 4096, NOW)
        except BlockingIOError:
            self.watch()
            return
        except OSError:
            data = b""
        if not data:
            self._loop.drop(self.socket)
            return
        self._received = self._received + data if self._received else data
        while (head := payload.head(self._received)) is not None and len(self._received) >= head.length:
            message, self._received = self._received[: head.length], self._received[head.length :]
            if not self._take(head, message):
                self._loop.drop(self.socket)
                return
        self.watch()

    def _take(self, head: payload.Head, message: bytes) -> bool:
        """Deal with one message; false when the connection has served."""
        if head.kind == ANSWER:
            waiter = self._arrivals.waiting.get(head.flow)
            if waiter is not None:
                waiter.answered(message, self._peer[:2])
            return True
        peer, local = self._peer, self._local
        seen = Seen(self.name, peer[0].partition("%")[0], peer[1], local[0].partition("%")[0], local[1])
        answer = self._arrivals.arrived(head, message, seen)
        if head.flags & HOLD:
            self._held = True
            self._arrivals.ends.setdefault(head.flow, self)
        try:
            self.send(answer, 0 if self._held else MORE)  # the answer and the FIN in one segment
        except OSError:
            return False
        return self._held

    def watch(self) -> None:
        """Have `ready` called when there is more."""
        if not self._watched:
            self._watched = True
            self._loop.watch(self.socket, self.ready)


class Listener:
    """A TCP port on every address of one family."""

    def __init__(self, name: str, opened: socket.socket, loop: Loop, arrivals: ArrivalLog) -> None:
        self.name = name
        self.socket = opened
        self._loop = loop
        self._arrivals = arrivals
        loop.watch(opened, self._ready)

    def _ready(self, _events: int) -> None:
        try:
            accepted, peer = self.socket.accept()
        except OSError:
            return
        try:
            end = StreamEnd(self.name, accepted, peer, self._loop, self._arrivals)
        except OSError:  # the peer has gone since
            accepted.close()
            return
        end.ready()
