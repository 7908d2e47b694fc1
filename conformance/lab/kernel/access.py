"""The kernel that the calling thread works with: this machine's, or another one that an adapter reaches.

What is done through `Namespace.call` asks `here()` for its sockets and files, and so works in another kernel as it does
in a namespace of this machine. What may differ between kernels is said here, and nowhere asked by the kernel's name.
"""

from __future__ import annotations

import os
import socket
import threading
from typing import Final, Protocol, runtime_checkable


class Kernel(Protocol):
    """What is asked of a kernel; every method raises OSError as the kernel refuses."""

    @property
    def stream_rate(self) -> int:
        """Packets a second of one stream that its interfaces take."""

    @property
    def monitorable(self) -> bool:
        """Whether its rtnetlink notifications can be followed while an endpoint moves."""

    @property
    def moves_together(self) -> bool:
        """Whether several endpoints with such a kernel may move at the same time."""

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of the namespace that the calling thread is in."""

    def index(self, name: str) -> int:
        """The index of an interface."""

    def read(self, place: str) -> str:
        """The whole of a small file of /proc or /sys, without the white space around it."""

    def write(self, place: str, text: str) -> None:
        """Write to a file of /proc or /sys."""


class Poller(Protocol):
    """The way to the watched sockets of another kernel; the connection behind it may change."""

    def fileno(self) -> int:
        """A descriptor of this machine, readable when the other kernel reports; -1 when closed."""

    def collect(self) -> None:
        """Take in what was reported; call it when the descriptor is readable."""

    def poll(self, *, arm: bool) -> list[tuple[int, int]]:
        """The `fileno()` of each watched socket that is ready, and its epoll events.

        With `arm`, and where none is ready, the other kernel reports when one is.
        """


@runtime_checkable
class RemotelyWatched(Protocol):
    """A socket of another kernel: its `fileno()` is a number, but no descriptor that this machine could wait for."""

    @property
    def channel(self) -> Poller:
        """The way to its kernel, the same for all of that kernel's sockets."""

    def watch(self, events: int) -> None:
        """Have `Poller.poll` report `events` (EPOLL*)."""

    def change(self, events: int) -> None:
        """Have it report others."""

    def forget(self) -> None:
        """Have it report no more."""

    def readable(self, seconds: float) -> bool:
        """Wait at most so many seconds until there is something to receive; return whether there is."""


def elsewhere(opened: socket.socket) -> RemotelyWatched | None:
    """The socket as one of another kernel, None where it is this machine's."""
    if type(opened) is socket.socket:  # checking a Protocol takes 9 µs, and nearly every socket is one of these
        return None
    return opened if isinstance(opened, RemotelyWatched) else None


class OwnKernel:
    """The kernel of this machine, in whatever namespace the calling thread has entered."""

    stream_rate: Final = 1000
    monitorable: Final = True
    moves_together: Final = True

    @staticmethod
    def socket(family: int, kind: int, protocol: int = 0) -> socket.socket:
        """See `Kernel.socket`."""
        return socket.socket(family, kind, protocol)

    @staticmethod
    def index(name: str) -> int:
        """See `Kernel.index`."""
        return socket.if_nametoindex(name)

    @staticmethod
    def read(place: str) -> str:
        """See `Kernel.read`; plain descriptors, since every namespace needs dozens."""
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, 4096, 0).decode().strip()
        finally:
            os.close(descriptor)

    @staticmethod
    def write(place: str, text: str) -> None:
        """See `Kernel.write`."""
        descriptor = os.open(place, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


OWN: Final = OwnKernel()
_thread = threading.local()


def here() -> Kernel:
    """The kernel of the calling thread."""
    found: Kernel = getattr(_thread, "kernel", OWN)
    return found


def work_with(kernel: Kernel) -> None:
    """From now on `here()` is `kernel` in the calling thread."""
    _thread.kernel = kernel
