"""Expressions of nftables as the kernel knows them: what matches and actions are made of.

Numbers are those of linux/netfilter/nf_tables.h. Every expression works on register 1 (16 bytes), except where a second
value is needed at the same time.
"""

from __future__ import annotations

import struct
import sys
from typing import Final, Literal

from conformance.lab.kernel.netlink import attribute, nested

REGISTER: Final = 1
"""NFT_REG_1."""
SECOND: Final = 2
"""NFT_REG_2."""

Base = Literal["link", "network", "transport"]
BASES: Final[dict[Base, int]] = {"link": 0, "network": 1, "transport": 2}

EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL = range(6)

META_LENGTH, META_PROTOCOL, META_IN_NAME, META_OUT_NAME, META_NFPROTO, META_L4 = 0, 1, 6, 7, 15, 16
CT_STATE: Final = 0
CT_DIRECTION: Final = 1
CT_STATUS: Final = 2


def be32(kind: int, value: int) -> bytes:
    """An attribute that holds a 32-bit number in network order."""
    return attribute(kind, struct.pack(">i" if value < 0 else ">I", value))


def data(kind: int, value: bytes) -> bytes:
    """An attribute that holds bytes to compare with or to load."""
    return nested(kind, attribute(1, value))


def expression(name: str, *parts: bytes) -> bytes:
    """One expression as an element of a rule's list."""
    return nested(1, attribute(1, name.encode() + b"\0"), nested(2, *parts))


def load(base: Base, offset: int, length: int, register: int = REGISTER) -> bytes:
    """Load `length` bytes at `offset` of a header."""
    return expression("payload", be32(1, register), be32(2, BASES[base]), be32(3, offset), be32(4, length))


def store(base: Base, offset: int, length: int, *, checksum_at: int | None, pseudo_header: bool) -> bytes:
    """Write register 1 to a header; the Internet checksum at `checksum_at` of the same header follows the change."""
    parts = [be32(5, REGISTER), be32(2, BASES[base]), be32(3, offset), be32(4, length)]
    if checksum_at is not None:
        parts += [be32(6, 1), be32(7, checksum_at)]
    if pseudo_header:
        parts.append(be32(8, 1))
    return expression("payload", *parts)


def meta(key: int) -> bytes:
    """Load a property of the packet."""
    return expression("meta", be32(1, REGISTER), be32(2, key))


def compare(operation: int, value: bytes) -> bytes:
    """Go on with the rule only if register 1 compares so with `value`."""
    return expression("cmp", be32(1, REGISTER), be32(2, operation), data(3, value))


def between(low: bytes, high: bytes, *, outside: bool) -> bytes:
    """Go on only if register 1 is in the closed range (or outside of it)."""
    return expression("range", be32(1, REGISTER), be32(2, int(outside)), data(3, low), data(4, high))


def masked(mask: bytes, xor: bytes | None = None) -> bytes:
    """Register 1 = register 1 & mask ^ xor."""
    return expression(
        "bitwise",
        be32(1, REGISTER),
        be32(2, REGISTER),
        be32(3, len(mask)),
        data(4, mask),
        data(5, bytes(len(mask)) if xor is None else xor),
    )


def to_network_order() -> bytes:
    """Register 1, a 32-bit number of the machine's order, in network order: for comparisons by size."""
    return expression("byteorder", be32(1, REGISTER), be32(2, REGISTER), be32(3, 1), be32(4, 4), be32(5, 4))


def connection(key: int) -> bytes:
    """Load a property of the tracked connection."""
    return expression("ct", be32(1, REGISTER), be32(2, key))


def extension_header(header: int, offset: int, length: int) -> bytes:
    """Load bytes of an IPv6 extension header; ends the rule where the packet has none."""
    return expression("exthdr", be32(1, REGISTER), attribute(2, bytes((header,))), be32(3, offset), be32(4, length))


def lookup(name: str, *, negate: bool) -> bytes:
    """Go on only if the set of that name (of the same table) has register 1 as an element (or has not)."""
    return expression("lookup", attribute(1, name.encode() + b"\0"), be32(2, REGISTER), be32(5, int(negate)))


def reverse_path() -> bytes:
    """Load the index of the interface that leads to the packet's source, 0 where that is not the one it came in on."""
    return expression("fib", be32(1, REGISTER), be32(2, 1), be32(3, 0x1 | 0x8))


def immediate(value: bytes, register: int = REGISTER) -> bytes:
    """Load a constant."""
    return expression("immediate", be32(1, register), data(2, value))


def verdict(code: int, chain: str = "") -> bytes:
    """End the chain: 0 drops, 1 accepts; -3 jumps to `chain`, -5 goes back to the one that jumped here."""
    target = attribute(2, chain.encode() + b"\0") if chain else b""
    return expression("immediate", be32(1, 0), nested(2, nested(2, be32(1, code), target)))


def limit(rate: int, burst: int, *, over: bool) -> bytes:
    """Go on only within (or beyond) so many packets a second."""
    per_second = attribute(1, struct.pack(">Q", rate)) + attribute(2, struct.pack(">Q", 1))
    return expression("limit", per_second, be32(3, burst), be32(4, 0), be32(5, int(over)))


def counter() -> bytes:
    """Count what gets this far."""
    return expression("counter")


def machine_order(value: int) -> bytes:
    """A 32-bit number as the kernel holds it in a register."""
    return value.to_bytes(4, sys.byteorder)
