"""What travels: queries with a pattern that can be checked, and answers that say what the far end saw.

Every message starts with the 16 bytes of `conformance.protocols.marker`, then kind, flags and the message's length.
"""

from __future__ import annotations

import hashlib
import socket
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from conformance.protocols.marker import MAGIC, mark
from conformance.recording import model

QUERY: Final = 1
ANSWER: Final = 2
HOLD: Final = 1
"""Flag of a query: the flow stays open behind it."""

HEAD: Final = Struct("!8sQBBHI")
"""Marker (magic, flow), kind, flags, zero, length of the whole message in bytes."""
_SEEN: Final = Struct("!HH16s16sB")
"""Peer's port, own port, peer's address, own address (IPv4 in the first four bytes), length of the name behind it."""


class Head(NamedTuple):
    """The start of a message: the flow, `QUERY` or `ANSWER`, flags, and the length of the whole message in bytes."""

    flow: int
    kind: int
    flags: int
    length: int


class Seen(NamedTuple):
    """What one end sees of a flow: its own name, the peer's address and port, its own address and port."""

    name: str
    peer: str
    peer_port: int
    local: str
    local_port: int


PERIOD: Final = 251
"""Bytes after which a pattern begins again: a prime, so that no two fragments of one datagram have the same content,
while recordings of large packets stay small when they are compressed."""


def pattern(flow: int, length: int) -> bytes:
    """The `length` bytes that follow the head of flow `flow`'s query: always the same, unlike any other flow's."""
    whole = hashlib.shake_128(mark(flow)).digest(min(length, PERIOD))
    return (whole * (length // PERIOD + 1))[:length]


def query(flow: int, length: int = 0, *, flags: int = 0) -> bytes:
    """A query of `length` bytes, at least those of its head."""
    length = max(length, HEAD.size)
    head = HEAD.pack(MAGIC, flow, QUERY, flags, 0, length)
    return head + pattern(flow, length - HEAD.size) if length > HEAD.size else head


def head(message: bytes) -> Head | None:
    """The head at the start of `message`, None where there is none."""
    if len(message) < HEAD.size:
        return None
    magic, flow, kind, flags, _, length = HEAD.unpack_from(message)
    return Head(flow, kind, flags, length) if magic == MAGIC else None


def intact(found: Head, message: bytes) -> bool | None:
    """Whether a query with the head `found` arrived as it was sent; None for one that carries no pattern."""
    if found.length != len(message):
        return False
    if found.length == HEAD.size:
        return None
    return message[HEAD.size :] == pattern(found.flow, found.length - HEAD.size)


def answer(flow: int, seen: Seen) -> bytes:
    """The answer to a query of `flow`: what its receiver saw."""
    name = seen.name.encode()[:255]
    peer, local = packed(seen.peer), packed(seen.local)
    family = 4 if len(local) == 4 else 6
    body = _SEEN.pack(seen.peer_port, seen.local_port, peer, local, len(name)) + name
    length = HEAD.size + len(body)
    return HEAD.pack(MAGIC, flow, ANSWER, 0, family, length) + body


def decode_answer(message: bytes) -> Seen | None:
    """What the far end saw, by its answer; None where `message` holds none."""
    if len(message) < HEAD.size + _SEEN.size:
        return None
    magic, _, kind, _, family, _ = HEAD.unpack_from(message)
    if magic != MAGIC or kind != ANSWER:
        return None
    peer_port, local_port, peer, local, length = _SEEN.unpack_from(message, HEAD.size)
    name = message[HEAD.size + _SEEN.size :][:length].decode(errors="replace")
    return Seen(name, unpacked(peer, family), peer_port, unpacked(local, family), local_port)


def told(seen: Seen) -> model.Answer:
    """What one end saw, as the recording keeps it."""
    return model.Answer(server=seen.name, peer=end(seen.peer, seen.peer_port), local=end(seen.local, seen.local_port))


@lru_cache(maxsize=65536)
def packed(address: str) -> bytes:
    """The 4 or 16 bytes of an address without scope id."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address.partition("%")[0])


@lru_cache(maxsize=65536)
def unpacked(address: bytes, family: int) -> str:
    """The text of an address of `family` 4 or 6 at the start of 16 bytes."""
    if family == 4:
        return socket.inet_ntop(socket.AF_INET, address[:4])
    return socket.inet_ntop(socket.AF_INET6, address[:16])


@lru_cache(maxsize=65536)
def end(address: str, port: int) -> model.Socket:
    """One end of a flow, shared by all flows that have it in common."""
    return model.Socket(address=address.partition("%")[0], port=port)
