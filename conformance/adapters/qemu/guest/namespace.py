"""The network of a guest in the place of a namespace of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
from array import array
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from struct import Struct
from typing import Any, Final, NoReturn, cast

from conformance.adapters.qemu.guest import calls
from conformance.adapters.qemu.guest.calls import Call, Memory, given, room
from conformance.adapters.qemu.guest.channel import Channel
from conformance.adapters.qemu.guest.receiver import PAGES, RemoteReceiver
from conformance.adapters.qemu.guest.remote import RemoteSocket
from conformance.lab.kernel.access import work_with
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.process import Daemon

_HERE: Final = -100
"""AT_FDCWD."""
_FILE: Final = 4096
_NAME: Final = 16
_GET_INDEX: Final = 0x8933
"""SIOCGIFINDEX."""
_RESEED: Final = 0x5207
"""RNDRESEEDCRNG."""
_OPEN_FILES: Final = 7
"""RLIMIT_NOFILE."""
_LIMIT: Final = Struct("=QQ")
STREAM_RATE: Final = 100
"""An emulated network card takes a hundred times as long for a packet as a cable."""
DESCRIPTORS: Final = 65_536
"""Sockets that a guest may have open: as many as a batch of probes needs."""


class GuestKernel:
    """A guest's kernel, as `conformance.lab.kernel.access.Kernel` asks for it.

    Its notifications cannot be followed: it is asked through a port that rests while the guest moves, and it does not
    announce what a migration does to it. Guests move one at a time: emulation then has the processors to itself, and
    delays are the product's.
    """

    stream_rate: Final = STREAM_RATE
    monitorable: Final = False
    moves_together: Final = False

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of the guest, in place of one of this machine. Raises OSError."""
        return cast("socket.socket", self.opened(family, kind, protocol))

    def opened(self, family: int, kind: int, protocol: int = 0) -> RemoteSocket:
        """The same as what it is. Raises OSError."""
        return RemoteSocket.opened(self.channel, family, kind, protocol, self.index)

    def index(self, name: str) -> int:
        """The index of an interface of the guest. Raises OSError."""
        asked = Memory((name.encode().ljust(_NAME, b"\0"), bytes(24)), returned=True)
        flags = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        opened, asking, _ = self.channel.request(
            [
                Call(calls.SOCKET, (socket.AF_INET, flags, 0), stop=True),
                Call(calls.IOCTL, (0, _GET_INDEX, asked), {0: 0}),
                Call(calls.CLOSE, (0,), {0: 0}),
            ]
        )
        _refused(opened, name)
        _refused(asking, name)
        return int.from_bytes(asked.after[_NAME : _NAME + 4], "little")

    def read(self, place: str) -> str:
        """The whole of a small file of the guest. Raises OSError."""
        content = room(_FILE)
        opened, got, _ = self._with_file(place, os.O_RDONLY, Call(calls.READ, (0, content, _FILE), {0: 0}))
        _refused(opened, place)
        _refused(got, place)
        return content.after[:got].decode().strip()

    def write(self, place: str, text: str) -> None:
        """Write to a file of the guest. Raises OSError."""
        data = text.encode()
        opened, written, _ = self._with_file(place, os.O_WRONLY, Call(calls.WRITE, (0, given(data), len(data)), {0: 0}))
        _refused(opened, place)
        _refused(written, place)

    def _with_file(self, place: str, mode: int, call: Call) -> list[int]:
        path = given(place.encode() + b"\0")
        return self.channel.request(
            [
                Call(calls.OPENAT, (_HERE, path, mode | os.O_CLOEXEC, 0), stop=True),
                call,
                Call(calls.CLOSE, (0,), {0: 0}),
            ]
        )

    def spawn(self, program: str, *arguments: str) -> int:
        """Start a program of the guest's file system, which says what it says on the console. Raises OSError."""
        words = [given(word.encode() + b"\0") for word in (program, *arguments)]
        end = bytes(8)
        return self.channel.one(calls.SPAWN, words[0], Memory((*words, end)), Memory((end,)))

    def settle(self) -> None:
        """Make a guest that was woken unlike those that were frozen with it, and let it open many sockets."""
        seed = os.urandom(64)
        self._with_file("/dev/urandom", os.O_WRONLY, Call(calls.WRITE, (0, given(seed), len(seed)), {0: 0}))
        self._with_file("/dev/urandom", os.O_WRONLY, Call(calls.IOCTL, (0, _RESEED), {0: 0}))
        limit = given(_LIMIT.pack(DESCRIPTORS, DESCRIPTORS))
        self.channel.one(calls.PRLIMIT, 0, _OPEN_FILES, limit, 0)


def _refused(result: int, what: str) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result), what)


class GuestNamespace(Namespace):
    """The guest's only network namespace. What cannot be done in a guest raises NotImplementedError."""

    kernel: GuestKernel

    def __init__(self, name: str, channel: Channel) -> None:
        self.kernel = GuestKernel(channel)
        super().__init__(name, partial(work_with, self.kernel))

    @property
    def path(self) -> str:
        """There is none: no process of this machine can enter."""
        _impossible(self.name, "be entered")

    def netlink(self, method: str, *arguments: Any, **named: Any) -> list[Any]:
        """pyroute2 opens its own sockets, on this machine."""
        del method, arguments, named
        _impossible(self.name, "be asked by pyroute2; use conformance.lab.kernel.netlink")

    def run(
        self, command: Sequence[str], *, text: str = "", timeout: float, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Nothing is installed in a guest."""
        del command, text, timeout, environment
        _impossible(self.name, "run programs")

    def start(
        self,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> Daemon:
        """Nothing is installed in a guest."""
        del command, log, environment, descriptors
        _impossible(self.name, "run programs")

    def receiver(self, place: str, stamps: array[int]) -> RemoteReceiver:
        """A receiver of streams, asked for what has arrived over the port. Raises OSError."""
        opened = self.kernel.opened(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        made = RemoteReceiver(opened, place, stamps)
        self.sysctl("net.ipv4.udp_mem", PAGES)
        return made

    def close(self) -> None:
        """Hang up; the guest runs on as long as its machine does."""
        super().close()
        self.kernel.channel.close()


def _impossible(name: str, what: str) -> NoReturn:
    raise NotImplementedError(f"{name}: a guest cannot {what}")
