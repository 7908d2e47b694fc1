"""One epoll loop over sockets of any namespace."""

from __future__ import annotations

import os
import resource
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from conformance.lab.kernel.access import Poller, elsewhere

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
        self._pollers: dict[Poller, int] = {}
        self._handlers: dict[int, Handler] = {}
        self._sockets: dict[int, socket.socket] = {}
        self.scratch = memoryview(bytearray(65536))

    def __len__(self) -> int:
        return len(self._handlers)

    def watch(self, watched: socket.socket, handler: Handler, events: int = READ) -> None:
        """Call `handler` whenever one of `events` holds for `watched`."""
        descriptor = watched.fileno()
        remote = elsewhere(watched)
        if remote is None:
            self._epoll.register(descriptor, events)
        else:
            self._join(remote.channel)
            remote.watch(events)
        self._handlers[descriptor] = handler
        self._sockets[descriptor] = watched

    def change(self, watched: socket.socket, events: int) -> None:
        """Watch for other events."""
        remote = elsewhere(watched)
        if remote is None:
            self._epoll.modify(watched.fileno(), events)
        else:
            remote.change(events)

    def forget(self, watched: socket.socket) -> None:
        """Stop watching a socket that stays open."""
        remote = elsewhere(watched)
        if remote is None:
            self._epoll.unregister(watched.fileno())
        else:
            remote.forget()
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
        remote = self._remote(arm=timeout > 0)
        ready = self._epoll.poll(max(timeout, 0.0) if not remote else 0, 4096)
        reporting = {descriptor: poller for poller, descriptor in self._pollers.items()}
        handlers = self._handlers
        for descriptor, events in [*ready, *remote]:
            handler = handlers.get(descriptor)
            if handler is not None:
                handler(events)
            elif descriptor in reporting:
                reporting[descriptor].collect()
        return len(ready) + len(remote)

    def _join(self, poller: Poller) -> None:
        """Wake up when another kernel reports; one whose machine has moved is reached over another connection."""
        descriptor = poller.fileno()
        if self._pollers.get(poller) != descriptor and descriptor >= 0:
            self._pollers[poller] = descriptor
            self._epoll.register(descriptor, READ)

    def _remote(self, *, arm: bool) -> list[tuple[int, int]]:
        """Sockets of other kernels that are ready; with `arm`, where none is, their kernels report when one is."""
        found = []
        for poller in self._pollers:
            if poller.fileno() >= 0:
                self._join(poller)
                found += poller.poll(arm=arm)
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
