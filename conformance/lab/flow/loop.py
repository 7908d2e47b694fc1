"""One epoll loop over sockets of any namespace."""

from __future__ import annotations

import os
import resource
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from conformance.adapters.qemu.guest import Channel, RemoteSocket

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT
ERROR: Final = select.EPOLLERR

Handler = Callable[[int], None]
"""Is called with the epoll events of its socket."""

_RESERVE: Final = 256
"""Descriptors kept free for everything else that the process does."""


class Loop:
    """Sockets and their handlers; it owns the sockets that it watches. `scratch` is where datagrams are received."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._guests: dict[Channel, int] = {}
        self._handlers: dict[int, Handler] = {}
        self._sockets: dict[int, socket.socket] = {}
        self.scratch = memoryview(bytearray(65536))

    def __len__(self) -> int:
        return len(self._handlers)

    def watch(self, watched: socket.socket, handler: Handler, events: int = READ) -> None:
        """Call `handler` whenever one of `events` holds for `watched`."""
        descriptor = watched.fileno()
        if isinstance(watched, RemoteSocket):
            self._join(watched.channel)
            watched.watch(events)
        else:
            self._epoll.register(descriptor, events)
        self._handlers[descriptor] = handler
        self._sockets[descriptor] = watched

    def change(self, watched: socket.socket, events: int) -> None:
        """Watch for other events."""
        if isinstance(watched, RemoteSocket):
            watched.change(events)
        else:
            self._epoll.modify(watched.fileno(), events)

    def forget(self, watched: socket.socket) -> None:
        """Stop watching a socket that stays open."""
        if isinstance(watched, RemoteSocket):
            watched.forget()
        else:
            self._epoll.unregister(watched.fileno())
        del self._sockets[watched.fileno()], self._handlers[watched.fileno()]

    def drop(self, watched: socket.socket) -> None:
        """Close a socket, watched or not."""
        descriptor = watched.fileno()
        if self._sockets.get(descriptor) is watched:
            del self._sockets[descriptor], self._handlers[descriptor]
        watched.close()

    def turn(self, timeout: float) -> int:
        """Serve what is ready now, or within `timeout` seconds; returns how many sockets were ready.

        A handler can be called for an event of a closed socket whose descriptor it took over in the same turn, so
        handlers bear an event without a cause.
        """
        far = self._far(arm=timeout > 0)
        ready = self._epoll.poll(max(timeout, 0.0) if not far else 0, 4096)
        told = {descriptor: channel for channel, descriptor in self._guests.items()}
        handlers = self._handlers
        for descriptor, events in [*ready, *far]:
            handler = handlers.get(descriptor)
            if handler is not None:
                handler(events)
            elif descriptor in told:
                told[descriptor].collect()
        return len(ready) + len(far)

    def _join(self, channel: Channel) -> None:
        """Wake up when this guest has something to tell; one that has moved is reached over another connection."""
        descriptor = channel.fileno()
        if self._guests.get(channel) != descriptor and descriptor >= 0:
            self._guests[channel] = descriptor
            self._epoll.register(descriptor, READ)

    def _far(self, *, arm: bool) -> list[tuple[int, int]]:
        """What is ready in the guests; with `arm`, where nothing is, they tell when something is."""
        found = []
        for channel in self._guests:
            if channel.fileno() >= 0:
                self._join(channel)
                found += channel.poll(arm=arm)
        return found

    def close(self) -> None:
        """Close every watched socket, and the loop."""
        for watched in self._sockets.values():
            watched.close()
        self._sockets.clear()
        self._handlers.clear()
        self._epoll.close()


@contextmanager
def descriptors() -> Iterator[int]:
    """As many descriptors as the kernel lets this process have, for a while; yields how many more may be opened.

    The soft limit is raised only for that while, since programs inherit it and some cannot bear a high one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with os.scandir("/proc/self/fd") as listing:
            used = sum(1 for _ in listing)
        yield max(hard - used - _RESERVE, 64)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
