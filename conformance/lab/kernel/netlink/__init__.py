"""The hot path to the kernel: many requests in one datagram, whole dumps decoded with struct.

pyroute2 is the way to the kernel for whatever is not hot: `Namespace.netlink`, and `add`, `change` and `delete` of
`conformance.lab.kernel.link`. There a request costs 0.7 ms and a decoded object 0.1 to 0.5 ms, ten times as much as
here (`python -m bench labsetup`). This package is for what that would slow down, or what pyroute2 cannot do:

- a lab is built and endpoints are attached: `transact`, with the requests of `rtnetlink`;
- state is recorded, with thousands of conntrack entries: `dump`;
- rules of nftables are committed in one transaction of several messages: `transact`, `whole`;
- notifications are followed: `notices`;
- other kernels than this machine's are asked, in which pyroute2 cannot open a socket (`access.Kernel`).

Messages are made and taken apart only here, from parts that `conformance.lab.nftables` and `conformance.lab.snapshot`
name. Errors are those of pyroute2.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from conformance.lab.kernel.access import here
from conformance.lab.kernel.namespace import Namespace

ROUTE: Final = 0
NETFILTER: Final = 12

REQUEST, ACK, EXCLUSIVE, CREATE, APPEND = 0x001, 0x004, 0x200, 0x400, 0x800
REPLACE, DUMP = 0x100, 0x300
CAPPED, TEXT = 0x100, 0x200
"""Flags of an answer: the request is not echoed beyond its header; a text of the kernel's follows."""

HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_ERROR, _DONE = 2, 3
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_AT_ONCE: Final = 64
"""Requests in one datagram: their acknowledgements must fit the socket's buffer."""

Request = Callable[[], bytes]
"""A message made by `message`, evaluated inside the namespace, so that it may look up interface indices there."""


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + bytes(-length % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | 0x8000, b"".join(parts))


def text(kind: int, value: str) -> bytes:
    """An attribute that holds a string."""
    return attribute(kind, value.encode() + b"\0")


def message(kind: int, flags: int, *parts: bytes) -> bytes:
    """One request of type `kind`; its sequence number is filled in when it is sent."""
    payload = b"".join(parts)
    return HEADER.pack(HEADER.size + len(payload), kind, REQUEST | flags, 0, 0) + payload


def index(name: str) -> int:
    """The interface index of `name` in the calling thread's namespace. Raises LookupError."""
    try:
        return here().index(name)
    except OSError:
        raise LookupError(f"no interface {name}") from None


def transact(namespace: Namespace, requests: Sequence[Request], protocol: int = ROUTE, *, whole: bool = False) -> None:
    """Send all requests and wait for the kernel's word on each; `whole` sends them as one datagram.

    Raises pyroute2's NetlinkError for the first one that the kernel refused, with the kernel's own text; its attribute
    `position` is the number of that request.
    """
    namespace.call(_transact, requests, protocol, whole)


def _transact(requests: Sequence[Request], protocol: int, whole: bool) -> None:
    with here().socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as link:
        for option in (_CAP_ACK, _EXT_ACK):
            link.setsockopt(_SOL_NETLINK, option, 1)
        made = [request() for request in requests]
        step = len(made) if whole else _AT_ONCE
        for start in range(0, len(made), step or 1):
            batch = [_numbered(one, start + place) for place, one in enumerate(made[start : start + step])]
            link.send(b"".join(batch))
            _judge(link, start)


def _numbered(one: bytes, number: int) -> bytes:
    return one[:8] + struct.pack("=I", number + 1) + one[12:]


def _judge(link: socket.socket, start: int) -> None:
    """The kernel has worked off a batch before send returns: its answers are all there."""
    refused: dict[int, tuple[int, str]] = {}
    while True:
        try:
            data = link.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            break
        for kind, flags, sequence, body in messages(data):
            code = struct.unpack_from("=i", body)[0] if kind == _ERROR else 0
            if code:
                refused[sequence] = (-code, _words(flags, body))
    if refused:
        number = min(refused)
        raise _netlink_error(*refused[number], position=max(start, number - 1))


def _netlink_error(code: int, words: str, position: int) -> Exception:
    from pyroute2.netlink.exceptions import NetlinkError

    problem: Any = NetlinkError(code, f"{os.strerror(code)}{f' ({words})' if words else ''}")
    problem.position = position
    refused: Exception = problem
    return refused


def _words(flags: int, body: bytes) -> str:
    """The kernel's explanation, where it gives one (NLMSGERR_ATTR_MSG)."""
    if not flags & TEXT:
        return ""
    echoed = HEADER.size if flags & CAPPED else struct.unpack_from("=I", body, 4)[0]
    return string(attributes(body, 4 + echoed).get(1, b""))


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """The messages of one datagram: type, flags, sequence number, and what follows the header."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, offset)
        yield kind, flags, sequence, data[offset + HEADER.size : offset + length]
        offset += (length + 3) & ~3


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes from `offset` on, by type (the last of each), without nesting and byte order flags."""
    return dict(sequence(data, offset))


def sequence(data: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Every attribute from `offset` on in its order, as type and payload."""
    end = len(data)
    while offset + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def string(payload: bytes) -> str:
    """The text of a string attribute."""
    return payload.split(b"\0", 1)[0].decode(errors="replace")


def ask(namespace: Namespace, request: bytes, protocol: int = ROUTE) -> bytes:
    """The body of the one message that answers `request`. Raises OSError when the kernel refuses."""
    return namespace.call(_ask, request, protocol)


def _ask(request: bytes, protocol: int) -> bytes:
    with here().socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as link:
        link.send(_numbered(request, 0))
        kind, _, _, body = next(messages(link.recv(1 << 18)))
    if kind == _ERROR:
        code = -struct.unpack_from("=i", body)[0]
        raise OSError(code, os.strerror(code))
    return body


def dump(namespace: Namespace, requests: Sequence[bytes], protocol: int = ROUTE) -> list[list[bytes]]:
    """For each dump request, the bodies of the messages that answer it, each behind its netlink header.

    Raises OSError when the kernel refuses one (EOPNOTSUPP: it lacks the feature).
    """
    return namespace.call(_dump, requests, protocol)


def _dump(requests: Sequence[bytes], protocol: int) -> list[list[bytes]]:
    with here().socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as link:
        link.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        return [_answer(link, request) for request in requests]


def _answer(link: socket.socket, request: bytes) -> list[bytes]:
    found: list[bytes] = []
    link.send(_numbered(request, 0))
    while True:
        for kind, _, _, body in messages(link.recv(1 << 20)):
            if kind == _DONE:
                return found
            if kind == _ERROR:
                code = -struct.unpack_from("=i", body)[0]
                raise OSError(code or errno.EPROTO, os.strerror(code or errno.EPROTO))
            found.append(body)
