"""The way into a guest: requests over a virtio-serial port, and what its watched sockets have to tell."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from struct import Struct
from typing import Final, NamedTuple

from conformance.adapters.qemu.guest.calls import (
    ARM,
    DISARM,
    EPOLL_CTL,
    EPOLL_WAIT,
    Call,
    CallRequest,
    Memory,
    given,
    room,
)
from conformance.limits import GUEST, GUEST_START

_FRAME: Final = Struct("=qq")
_HELLO: Final = Struct("=qqq")
_EVENT: Final = Struct("=IQ")
"""struct epoll_event, which x86-64 packs."""
_GREETING, _REPLY, _READY = 0, 1, 2
_EVENTS: Final = 64
_ADD, _DELETE, _MODIFY = 1, 2, 3

Ready = list[tuple[int, int]]
"""Keys of sockets with the epoll events that hold for them."""


class GuestLostError(Exception):
    """The guest does not answer any more; no verdict may rest on that, so it is no OSError."""


class Hello(NamedTuple):
    """What an agent says when it starts: where its memory is, how much, and the descriptor of its poller."""

    image: int
    room: int
    poller: int


class Channel:
    """Requests to one agent, one at a time, from any thread. `hello` is known of an agent that was frozen."""

    def __init__(self, connection: socket.socket, hello: Hello | None = None) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        self._deferred: list[Call] = []
        self._ready: Ready = []
        self._armed = False
        connection.settimeout(GUEST_START)
        self.hello = hello or self._greeting()
        connection.settimeout(GUEST)

    def fileno(self) -> int:
        """Readable when the guest has something to tell."""
        return self._connection.fileno()

    def request(self, calls: Sequence[Call], last: Memory | None = None) -> list[int]:
        """Make the calls, after those that were deferred; returns their results: negative ones are error numbers.

        Raises OSError for a deferred call that failed, GuestLostError where the guest does not answer.
        """
        with self._lock:
            waiting, self._deferred = self._deferred, []
            if waiting and len(waiting) + len(calls) > 200:  # a link is a byte
                self._exchange(CallRequest(waiting))
                waiting = []
            shift = len(waiting)
            moved = [_shifted(call, shift) for call in calls] if shift else list(calls)
            results = self._exchange(CallRequest([*waiting, *moved], last))
        for result in results[:shift]:
            if result < 0:
                raise OSError(-result, os.strerror(-result))
        return results[shift:]

    def one(self, number: int, *arguments: int | Memory, last: Memory | None = None) -> int:
        """Make one call; returns its result. Raises OSError."""
        result = self.request([Call(number, arguments)], last)[0]
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    def defer(self, call: Call) -> None:
        """Have the call made with the next request; nobody waits for its result."""
        with self._lock:
            self._deferred.append(call)
            if len(self._deferred) > 100:
                self.request([])

    # --- watched sockets --------------------------------------------------------------------------------------
    def watch(self, descriptor: int, key: int, events: int) -> None:
        """Tell of `events` of a socket of the guest under `key`."""
        place = given(_EVENT.pack(events, key))
        self.defer(Call(EPOLL_CTL, (self.hello.poller, _ADD, descriptor, place)))

    def change(self, descriptor: int, key: int, events: int) -> None:
        """Tell of other events."""
        place = given(_EVENT.pack(events, key))
        self.defer(Call(EPOLL_CTL, (self.hello.poller, _MODIFY, descriptor, place)))

    def forget(self, descriptor: int) -> None:
        """Tell no more."""
        self.defer(Call(EPOLL_CTL, (self.hello.poller, _DELETE, descriptor, 0)))

    def poll(self, *, arm: bool) -> Ready:
        """Which watched sockets are ready; with `arm`, where none is, the channel becomes readable when one is."""
        with self._lock:
            found, self._ready = self._ready, []
            if found or (arm and self._armed and not self._deferred):
                return found
            events = room(_EVENT.size * _EVENTS)
            calls = [Call(EPOLL_WAIT, (self.hello.poller, events, _EVENTS, 0))]
            count = max(self.request([*calls, Call(ARM)] if arm else calls)[0], 0)
            self._armed = self._armed or arm
            return _events(events.after[: _EVENT.size * count])

    def collect(self) -> None:
        """Take in what the guest has told; call it where the channel is readable."""
        with self._lock:
            while select.select([self._connection], [], [], 0)[0]:
                self._take()

    def busy(self) -> bool:
        """Whether somebody else is using it, or the guest is on the move."""
        free = self._lock.acquire(blocking=False)
        if free:
            self._lock.release()
        return not free

    @contextmanager
    def at_rest(self) -> Iterator[Callable[[socket.socket], None]]:
        """While the guest moves: it says nothing by itself, and nobody asks it anything.

        Yields a function that takes the connection over which the same agent is reached afterwards.
        """
        with self._lock:
            self.request([Call(DISARM)])
            self._armed = False
            self.collect()
            yield self._reach

    def _reach(self, connection: socket.socket) -> None:
        self._connection.close()
        self._connection = connection
        connection.settimeout(GUEST)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    # --- frames -----------------------------------------------------------------------------------------------
    def _exchange(self, request: CallRequest) -> list[int]:
        try:
            self._connection.sendall(request.encode(self.hello.image))
        except OSError as problem:
            raise GuestLostError(f"the guest takes no request: {problem}") from problem
        while True:
            try:
                answer = self._take()
            except GuestLostError as problem:
                raise GuestLostError(f"{problem} ({request})") from problem
            if answer is not None:
                return request.decode(answer)

    def _take(self) -> bytes | None:
        """One frame: the answer to a request, None after what the guest told by itself."""
        kind, size = _FRAME.unpack(self._receive(_FRAME.size))
        body = self._receive(size)
        if kind == _READY:
            self._armed = False
            self._ready += _events(body)
        return body if kind == _REPLY else None

    def _receive(self, size: int) -> bytes:
        parts = []
        while size:
            try:
                part = self._connection.recv(size)
            except OSError as problem:
                raise GuestLostError(f"the guest does not answer: {problem}") from problem
            if not part:
                raise GuestLostError("the guest is gone")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _greeting(self) -> Hello:
        kind, size = _FRAME.unpack(self._receive(_FRAME.size))
        body = self._receive(size)
        if kind != _GREETING:
            raise GuestLostError("the guest's agent does not greet")
        return Hello(*_HELLO.unpack(body))


def _shifted(call: Call, shift: int) -> Call:
    if not call.links:
        return call
    return Call(call.number, call.arguments, {place: source + shift for place, source in call.links.items()}, call.stop)


def _events(data: bytes) -> Ready:
    return [(key, events) for events, key in _EVENT.iter_unpack(data)]
