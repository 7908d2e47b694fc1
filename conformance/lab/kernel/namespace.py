"""A namespace that programs, sockets and netlink requests can be sent into.

The only module that calls ``setns`` or ``unshare`` for a host or an endpoint (the sandbox around the whole lab is made
in ``sandbox.py``). There is no ambient namespace: each `Namespace` owns one thread that has entered it for good, and
whatever must happen inside is handed to that thread.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from conformance.lab.kernel.access import OWN, Kernel, here
from conformance.lab.kernel.mounts import private_mounts
from conformance.lab.kernel.process import Daemon, begin, complete, start_daemon

CLONE_FS = 0x0000_0200
CLONE_NEWNS = 0x0002_0000
CLONE_NEWNET = 0x4000_0000

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """unshare(2) for the calling thread (Python has it from 3.12 only). Raises OSError."""
    if _libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare({flags:#x}): {os.strerror(number)}")


def setns(descriptor: int, kind: int = 0) -> None:
    """setns(2) for the calling thread (Python has it from 3.12 only). Raises OSError."""
    if _libc.setns(descriptor, kind) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns({descriptor}): {os.strerror(number)}")


class Namespace:
    """A network namespace, with a mount namespace of its own where programs run in it.

    Use `create` for a new one and `adopt` for one that an implementation made (a container's). The namespace lives as
    long as this object is open; the kernel removes it with everything in it after `close`.
    """

    kernel: Kernel = OWN
    """The kernel that the namespace is in."""

    def __init__(self, name: str, enter: Callable[[], None]) -> None:
        self.name = name
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"ns-{name}")
        self._netlink: Any = None
        try:
            self.descriptor = self._worker.submit(self._enter, enter).result()
        except BaseException:
            self._worker.shutdown()
            raise

    @classmethod
    def create(cls, name: str, *, mounts: bool = False) -> Self:
        """A new, empty network namespace; with `mounts` also private mounts: own /run, /sys of this namespace."""

        def enter() -> None:
            unshare(CLONE_FS | CLONE_NEWNET | (CLONE_NEWNS if mounts else 0))
            if mounts:
                private_mounts()

        return cls(name, enter)

    @classmethod
    def adopt(cls, name: str, path: str | Path, *, mounts: str | Path | None = None) -> Self:
        """The existing network namespace at `path` (``/proc/PID/ns/net``), and that mount namespace if given."""

        def enter() -> None:
            for place, kind in ((path, CLONE_NEWNET), (mounts, CLONE_NEWNS)):
                if place is None:
                    continue
                descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    if kind == CLONE_NEWNS:
                        unshare(CLONE_FS)
                    setns(descriptor, kind)
                finally:
                    os.close(descriptor)

        return cls(name, enter)

    @staticmethod
    def _enter(enter: Callable[[], None]) -> int:
        enter()
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @property
    def path(self) -> str:
        """A path by which any process of the lab can open this network namespace (as CNI_NETNS for instance)."""
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def call(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Run `function` inside the namespace and return what it returns (or raise what it raises)."""
        return self._worker.submit(function, *arguments, **named).result()

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket that belongs to this namespace; it may be used from any thread."""
        return self.call(lambda: here().socket(family, kind, protocol))

    def netlink(self, method: str, *arguments: Any, **named: Any) -> list[Any]:
        """Call one rtnetlink method of pyroute2 here, for instance ``netlink("link", "set", index=2, state="up")``.

        Returns the messages of the answer as a list. The call is made by the namespace's own thread on purpose:
        pyroute2 opens a socket of its own in every thread that uses an IPRoute, in that thread's namespace.
        """

        def ask() -> list[Any]:
            if self._netlink is None:
                from pyroute2 import IPRoute

                self._netlink = IPRoute()
            answer = getattr(self._netlink, method)(*arguments, **named)
            return list(answer) if answer is not None else []

        return self.call(ask)

    def run(
        self,
        command: Sequence[str],
        *,
        text: str = "",
        timeout: float,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program here to its end, with `text` as its standard input; output is captured.

        `timeout` is in seconds: a deadline of `conformance.limits`. Raises subprocess.TimeoutExpired. The exit code is
        the caller's to judge. The program is started by the namespace's thread and waited for by the calling one, so
        that several may run at the same time.
        """
        return complete(self.call(begin, command, environment), text, timeout)

    def start(
        self,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> Daemon:
        """Start a program here in the foreground; its output goes to the file `log` (kept in the recording).

        It inherits `descriptors` under the same numbers.
        """
        return self.call(start_daemon, command, log, environment, descriptors)

    def sysctl(self, key: str, value: str | int | None = None) -> str:
        """Read, or write and read back, one sysctl such as ``net.ipv4.ip_forward``. Raises OSError where it is not."""
        place = f"/proc/sys/{key.replace('.', '/')}"

        def access() -> str:
            if value is not None:
                here().write(place, f"{value}\n")
            return here().read(place)

        return self.call(access)

    def close(self) -> None:
        """Leave the namespace. What still runs in it keeps it alive; the end of the sandbox ends that too."""
        if self._netlink is not None:
            self.call(self._netlink.close)
            self._netlink = None
        self._worker.shutdown()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
