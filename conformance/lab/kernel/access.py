"""The kernel that the calling thread works with: this machine's, or that of a virtual machine (`lab.guest`).

What is done through `Namespace.call` asks `here()` for its sockets and files, and so works in a guest as it does in a
namespace of this machine.
"""

from __future__ import annotations

import os
import socket
import threading
from typing import Final, Protocol


class Kernel(Protocol):
    """What is asked of a kernel; every method raises OSError as the kernel refuses."""

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of the namespace that the calling thread is in."""

    def index(self, name: str) -> int:
        """The index of an interface."""

    def read(self, place: str) -> str:
        """The whole of a small file of /proc or /sys, without the white space around it."""

    def write(self, place: str, text: str) -> None:
        """Write to a file of /proc or /sys."""


class OwnKernel:
    """The kernel of this machine, in whatever namespace the calling thread has entered."""

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
