"""Sockets of a guest, used like those of this machine."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import time
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Any, Final, Self

from conformance.adapters.qemu.guest import calls
from conformance.adapters.qemu.guest.addresses import ROOM, packed, unpacked
from conformance.adapters.qemu.guest.calls import Call, Memory, given, room
from conformance.adapters.qemu.guest.channel import Channel
from conformance.limits import GUEST

_NUMBERS: Final = itertools.count(1 << 24)
"""What the sockets of guests are called here: above any descriptor of this process."""
_LENGTH: Final = Struct("=I")
_POLL: Final = Struct("=ihh")
_MESSAGE_TAIL: Final = Struct("=Qi4x")
_CONTROL: Final = Struct("=Qii")
_IN, _OUT = 1, 4


class RemoteSocket:
    """The part of Python's socket that this project uses, over a channel. Every method raises OSError as usual.

    The guest's socket never blocks; a method of one that is to block waits for readability, at most `limits.GUEST`.
    """

    def __init__(self, channel: Channel, family: int, kind: int, descriptor: int, index: Any) -> None:
        self.channel = channel
        self._family = family
        self._blocking = not kind & socket.SOCK_NONBLOCK
        self._index = index
        self._descriptor = descriptor
        self._number = next(_NUMBERS)
        self._name: Any = None

    @classmethod
    def opened(cls, channel: Channel, family: int, kind: int, protocol: int, index: Any) -> Self:
        """A new socket of the guest."""
        flags = kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        return cls(channel, family, kind, channel.one(calls.SOCKET, family, flags, protocol), index)

    @property
    def descriptor(self) -> int:
        """The guest's own descriptor. Raises OSError where it is closed."""
        return self._own()

    def fileno(self) -> int:
        """A number that no other socket has, near or far; -1 when closed."""
        return self._number if self._descriptor >= 0 else -1

    def close(self) -> None:
        """Close the guest's socket."""
        if self._descriptor >= 0:
            self.channel.defer(Call(calls.CLOSE, (self._descriptor,)))
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- options and names ------------------------------------------------------------------------------------
    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """Set an option; a refusal is raised by the next call."""
        data = value.to_bytes(4, "little", signed=True) if isinstance(value, int) else bytes(value)
        self._defer(Call(calls.SETSOCKOPT, (self._own(), level, option, given(data), len(data))))

    def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
        """An option as a number, or as at most `size` bytes."""
        value, length = room(size or 4), Memory((_LENGTH.pack(size or 4),), returned=True)
        self.channel.one(calls.GETSOCKOPT, self._own(), level, option, value, length)
        data = value.after[: _LENGTH.unpack_from(length.after)[0]]
        return data if size else int.from_bytes(data[:4], "little", signed=True)

    def getsockname(self) -> Any:
        """The near end."""
        if self._name is None:
            call, name = self._naming(calls.GETSOCKNAME, self._own())
            self._result(self.channel.request([call]))
            self._name = name()
        return self._name

    def getpeername(self) -> Any:
        """The far end."""
        call, name = self._naming(calls.GETPEERNAME, self._own())
        self._result(self.channel.request([call]))
        return name()

    @staticmethod
    def _naming(number: int, descriptor: int, *, links: dict[int, int] | None = None) -> tuple[Call, Any]:
        address, length = room(ROOM), Memory((_LENGTH.pack(ROOM),), returned=True)
        call = Call(number, (descriptor, address, length), links or {})
        return call, lambda: unpacked(address.after[: _LENGTH.unpack_from(length.after)[0]])

    # --- making connections -----------------------------------------------------------------------------------
    def bind(self, address: Any) -> None:
        """Bind to an address."""
        data = packed(self._family, address, self._index)
        self._name = None
        self.channel.one(calls.BIND, self._own(), given(data), len(data))

    def listen(self, backlog: int) -> None:
        """Accept connections."""
        self.channel.one(calls.LISTEN, self._own(), backlog)

    def connect(self, address: Any) -> None:
        """Connect to an address."""
        number = self.connect_ex(address)
        if number == errno.EINPROGRESS and self._blocking and self._ready(_OUT, GUEST):
            number = self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))

    def connect_ex(self, address: Any) -> int:
        """Connect to an address; returns the error number."""
        data = packed(self._family, address, self._index)
        naming, name = self._naming(calls.GETSOCKNAME, self._own())
        first, second = self.channel.request([Call(calls.CONNECT, (self._own(), given(data), len(data))), naming])
        self._name = name() if second >= 0 else None
        return max(-first, 0)

    def accept(self) -> tuple[RemoteSocket, Any]:
        """The next connection and the address of its far end."""
        address, length = room(ROOM), Memory((_LENGTH.pack(ROOM),), returned=True)
        flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        taking = Call(calls.ACCEPT4, (self._own(), address, length, flags), stop=True)
        naming, name = self._naming(calls.GETSOCKNAME, 0, links={0: 0})
        descriptor, named = self.channel.request([taking, naming])
        if descriptor < 0:
            raise OSError(-descriptor, os.strerror(-descriptor))
        made = RemoteSocket(self.channel, self._family, 0, descriptor, self._index)
        made._name = name() if named >= 0 else None
        return made, unpacked(address.after[: _LENGTH.unpack_from(length.after)[0]])

    # --- sending and receiving --------------------------------------------------------------------------------
    def send(self, data: Any, flags: int = 0) -> int:
        """Send; returns how many bytes."""
        message = bytes(data)
        own = self._own()
        return self.channel.one(calls.SENDTO, own, given(message), len(message), flags | socket.MSG_NOSIGNAL, 0, 0)

    def sendto(self, data: Any, *arguments: Any) -> int:
        """Send to an address, with flags before it or without."""
        message, address = bytes(data), packed(self._family, arguments[-1], self._index)
        flags = arguments[0] if len(arguments) > 1 else 0
        return self.channel.one(
            calls.SENDTO,
            self._own(),
            given(message),
            len(message),
            flags | socket.MSG_NOSIGNAL,
            given(address),
            len(address),
        )

    def sendmsg(self, buffers: Iterable[Any], ancillary: Any = (), flags: int = 0, address: Any = None) -> int:
        """Send with ancillary data."""
        message = b"".join(map(bytes, buffers))
        control = b"".join(_control(*one) for one in ancillary)
        name = packed(self._family, address, self._index) if address is not None else b""
        head = _message_head(given(name), given(message), given(control))
        return self.channel.one(calls.SENDMSG, self._own(), head, flags | socket.MSG_NOSIGNAL)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive at most `size` bytes."""
        data = room(size)
        got = self._patiently(
            flags,
            lambda: self.channel.one(
                calls.RECVFROM, self._own(), data, size, flags | socket.MSG_DONTWAIT, 0, 0, last=data
            ),
        )
        return data.after[: min(got, size)]

    def recv_into(self, buffer: Any) -> int:
        """Receive into a buffer; returns how many bytes."""
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def recvmsg(self, size: int, ancillary: int = 0, flags: int = 0) -> tuple[bytes, list[Any], int, Any]:
        """Receive with ancillary data."""
        name, control, data = room(ROOM), room(ancillary), room(size)
        head = _message_head(name, data, control)
        head.returned = True
        own = self._own()
        got = self._patiently(
            flags, lambda: self.channel.one(calls.RECVMSG, own, head, flags | socket.MSG_DONTWAIT, last=data)
        )
        length = int.from_bytes(head.after[8:12], "little")
        filled, seen = _MESSAGE_TAIL.unpack_from(head.after, 40)
        return data.after[:got], list(_controls(control.after[:filled])), seen, unpacked(name.after[:length])

    def recvmsg_into(self, buffers: Any, ancillary: int = 0, flags: int = 0) -> tuple[int, list[Any], int, Any]:
        """Receive into one buffer, with ancillary data."""
        (buffer,) = buffers
        data, controls, seen, address = self.recvmsg(len(buffer), ancillary, flags)
        buffer[: len(data)] = data
        return len(data), controls, seen, address

    def readable(self, seconds: float) -> bool:
        """Wait until there is something to receive, at most so many seconds."""
        return self._ready(_IN, seconds)

    def _ready(self, event: int, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while True:
            left = min(max(until - time.monotonic(), 0.0), 1.0)
            place = Memory((_POLL.pack(self._own(), event, 0),), returned=True)
            if self.channel.one(calls.POLL, place, 1, int(left * 1000)) > 0:
                return True
            if time.monotonic() >= until:
                return False

    # --- watching ---------------------------------------------------------------------------------------------
    def watch(self, events: int) -> None:
        """Have `Channel.poll` tell of `events` (EPOLL*)."""
        self.channel.watch(self._own(), self._number, events)

    def change(self, events: int) -> None:
        """Have it tell of others."""
        self.channel.change(self._own(), self._number, events)

    def forget(self) -> None:
        """Have it tell no more."""
        self.channel.forget(self._own())

    def _own(self) -> int:
        if self._descriptor < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._descriptor

    def _defer(self, call: Call) -> None:
        self.channel.defer(call)

    def _patiently(self, flags: int, ask: Any) -> int:
        """The result of `ask`; waits where a socket that blocks would."""
        while True:
            try:
                return int(ask())
            except BlockingIOError:
                if not self._blocking or flags & (socket.MSG_DONTWAIT | socket.MSG_ERRQUEUE):
                    raise
                if not self.readable(GUEST):
                    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None

    @staticmethod
    def _result(results: list[int]) -> None:
        if results[0] < 0:
            raise OSError(-results[0], os.strerror(-results[0]))


def _message_head(name: Memory, data: Memory, control: Memory) -> Memory:
    """struct msghdr with one piece of data."""
    vector = Memory((data, data.size.to_bytes(8, "little")))
    none = bytes(8)
    return Memory(
        (
            name if name.size else none,
            name.size.to_bytes(8, "little"),
            vector,
            (1).to_bytes(8, "little"),
            control if control.size else none,
            _MESSAGE_TAIL.pack(control.size, 0),
        )
    )


def _control(level: int, kind: int, data: bytes) -> bytes:
    return (_CONTROL.pack(_CONTROL.size + len(data), level, kind) + data).ljust(socket.CMSG_SPACE(len(data)), b"\0")


def _controls(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    place = 0
    while place + _CONTROL.size <= len(data):
        length, level, kind = _CONTROL.unpack_from(data, place)
        if length < _CONTROL.size:
            return
        yield level, kind, data[place + _CONTROL.size : place + length]
        place += (length + 7) & ~7
