"""System calls as the agent in the guest takes them: numbers, memory, and the request that holds several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

READ: Final = 0
WRITE: Final = 1
CLOSE: Final = 3
POLL: Final = 7
IOCTL: Final = 16
SOCKET: Final = 41
CONNECT: Final = 42
SENDTO: Final = 44
RECVFROM: Final = 45
SENDMSG: Final = 46
RECVMSG: Final = 47
BIND: Final = 49
LISTEN: Final = 50
GETSOCKNAME: Final = 51
GETPEERNAME: Final = 52
SETSOCKOPT: Final = 54
GETSOCKOPT: Final = 55
EPOLL_WAIT: Final = 232
EPOLL_CTL: Final = 233
OPENAT: Final = 257
ACCEPT4: Final = 288
PRLIMIT: Final = 302
ARM: Final = -1
"""Of the agent, not of the kernel: tell once when a watched socket is ready."""
DISARM: Final = -2
SPAWN: Final = -3
"""Of the agent: start a program beside it, with the arguments of execve."""

_HEAD: Final = Struct("=5q")
_CALL: Final = Struct("=10q")
_WORD: Final = 8


@dataclass(slots=True, eq=False)
class Memory:
    """A piece of the guest's memory: `content` as it is before the calls, then zeros up to `size` bytes.

    Parts of the content that are memory themselves stand for their addresses. What the calls have written is in
    `after`, for pieces that are `returned`.
    """

    content: Sequence[bytes | Memory] = ()
    size: int = 0
    returned: bool = False
    address: int = 0
    after: bytes = b""

    def __post_init__(self) -> None:
        self.size = max(self.size, sum(len(one) if isinstance(one, bytes) else _WORD for one in self.content))

    def image(self) -> bytes:
        """The content with addresses filled in."""
        words = (one if isinstance(one, bytes) else one.address.to_bytes(_WORD, "little") for one in self.content)
        return b"".join(words).ljust(self.size, b"\0")

    @property
    def parts(self) -> list[Memory]:
        """Memory that this piece points to, at any depth, and itself."""
        return [*(deep for one in self.content if isinstance(one, Memory) for deep in one.parts), self]


def given(content: bytes) -> Memory:
    """Memory that a call reads."""
    return Memory((content,))


def room(size: int) -> Memory:
    """Memory of `size` bytes that a call writes."""
    return Memory(size=size, returned=True)


@dataclass(frozen=True, slots=True)
class Call:
    """One system call. `links` maps an argument's place (0..5) to the place of the call whose result it is.

    Where it fails and has `stop`, the calls behind it are not made (their result is -ECANCELED).
    """

    number: int
    arguments: Sequence[int | Memory] = ()
    links: dict[int, int] = field(default_factory=dict)
    stop: bool = False


class CallRequest:
    """Several calls, made in their order. The `last` piece of memory, if given, comes back as far as it was written."""

    def __init__(self, calls: Sequence[Call], last: Memory | None = None) -> None:
        self._calls = calls
        self._last = last
        pieces: dict[int, Memory] = {}
        for call in calls:
            for argument in call.arguments:
                if isinstance(argument, Memory):
                    pieces |= {id(piece): piece for piece in argument.parts}
        self._read = [piece for piece in pieces.values() if not piece.returned]
        returned = [piece for piece in pieces.values() if piece.returned and piece is not last]
        filled = [piece for piece in returned if piece.content]
        self._sent = len(filled)
        self._returned = [*filled, *(piece for piece in returned if not piece.content)]
        if last is not None:
            self._returned.append(last)

    def __str__(self) -> str:
        return f"system calls {' '.join(str(call.number) for call in self._calls[:8])}"

    def encode(self, base: int) -> bytes:
        """The request for an agent whose memory begins at the address `base`."""
        place = _HEAD.size
        for piece in self._read:
            piece.address = base + place
            place += _aligned(piece.size)
        table = place
        place += _CALL.size * len(self._calls)
        for piece in self._returned:
            piece.address = base + place
            place += _aligned(piece.size)
        end = place if self._last is None else place - _aligned(self._last.size) + self._last.size
        parts = [_padded(piece) for piece in self._read]
        parts += [_encoded(call) for call in self._calls]
        parts += [_padded(piece) for piece in self._returned[: self._sent]]
        body = b"".join(parts)
        trim = self._last.size if self._last is not None else 0
        return _HEAD.pack(_HEAD.size + len(body), table, len(self._calls), end, trim) + body

    def decode(self, answer: bytes) -> list[int]:
        """Take in what came back; returns the results of the calls: negative ones are error numbers."""
        results = [_CALL.unpack_from(answer, number * _CALL.size)[9] for number in range(len(self._calls))]
        place = _CALL.size * len(self._calls)
        for piece in self._returned:
            piece.after = answer[place : place + piece.size]
            place += _aligned(piece.size)
        return results


def _aligned(size: int) -> int:
    return (size + 7) & ~7


def _padded(piece: Memory) -> bytes:
    return piece.image().ljust(_aligned(piece.size), b"\0")


def _encoded(call: Call) -> bytes:
    values = [one.address if isinstance(one, Memory) else one for one in call.arguments]
    link = sum((source + 1) << (8 * place) for place, source in call.links.items())
    return _CALL.pack(call.number, *values, *(0,) * (6 - len(values)), link, call.stop, 0)
