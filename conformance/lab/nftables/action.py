"""Actions: what a rule does with a packet that its matches let through."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal, Protocol

from conformance.lab.nftables import expression as nft
from conformance.lab.nftables.match import Family
from conformance.lab.netlink import attribute

Address = IPv4Address | IPv6Address
PortRange = tuple[int, int]

PROTO_RANDOM, PERSISTENT, FULLY_RANDOM = 4, 8, 16
"""NF_NAT_RANGE flags."""
_NFPROTO: Final = {4: 2, 6: 10}
_LOW, _HIGH = nft.SECOND, 3
"""Registers for a port range, beside the address in register 1."""


class Action(Protocol):
    """What is done."""

    def expressions(self, family: Family) -> list[bytes]:
        """The kernel's expressions for a rule in a table of `family`."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Let the packet pass this chain."""

    def expressions(self, family: Family) -> list[bytes]:
        return [nft.verdict(1)]


@dataclass(frozen=True, slots=True)
class Drop:
    """Throw the packet away in silence."""

    def expressions(self, family: Family) -> list[bytes]:
        return [nft.verdict(0)]


@dataclass(frozen=True, slots=True)
class Count:
    """Nothing but the rule's counter: a witness."""

    def expressions(self, family: Family) -> list[bytes]:
        return []


@dataclass(frozen=True, slots=True)
class Jump:
    """Go on in another chain of the table, and come back at its end."""

    chain: str

    def expressions(self, family: Family) -> list[bytes]:
        return [nft.verdict(-3, self.chain)]


@dataclass(frozen=True, slots=True)
class Masquerade:
    """Rewrite the source to the address of the interface that the packet leaves by (chain type nat, postrouting).

    The source port is kept where it is free, unless `random` or `fully_random` chooses another.
    """

    random: bool = False
    fully_random: bool = False
    ports: PortRange | None = None

    def expressions(self, family: Family) -> list[bytes]:
        flags = _nat_flags(self.random, self.fully_random)
        loads, registers = _ports(self.ports, 2)
        return [*loads, nft.expression("masq", *([nft.be32(1, flags)] if flags else []), *registers)]


@dataclass(frozen=True, slots=True)
class SourceNat:
    """Rewrite the source to `address`, and its port to one of `ports` if given (chain type nat)."""

    address: Address
    ports: PortRange | None = None
    random: bool = False
    fully_random: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        return _translation(0, self.address, self.ports, _nat_flags(self.random, self.fully_random))


@dataclass(frozen=True, slots=True)
class DestinationNat:
    """Rewrite the destination to `address`, and its port to `port` if given (chain type nat, prerouting or output)."""

    address: Address
    port: int | None = None

    def expressions(self, family: Family) -> list[bytes]:
        return _translation(1, self.address, None if self.port is None else (self.port, self.port), 0)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Rewrite the destination to this host itself, and its port to `port` if given (chain type nat)."""

    port: int | None = None

    def expressions(self, family: Family) -> list[bytes]:
        loads, registers = _ports(None if self.port is None else (self.port, self.port), 1)
        return [*loads, nft.expression("redir", *registers)]


def _nat_flags(random: bool, fully_random: bool) -> int:
    return (PROTO_RANDOM if random else 0) | (FULLY_RANDOM if fully_random else 0)


def _ports(ports: PortRange | None, kind: int) -> tuple[list[bytes], list[bytes]]:
    """Loads of a port range, and the two attributes from `kind` on that say in which registers it is."""
    if ports is None:
        return [], []
    loads = [nft.immediate(struct.pack(">H", port), place) for port, place in zip(ports, (_LOW, _HIGH), strict=True)]
    return loads, [nft.be32(kind, _LOW), nft.be32(kind + 1, _HIGH)]


def _translation(kind: int, address: Address, ports: PortRange | None, flags: int) -> list[bytes]:
    loads, registers = _ports(ports, 5)
    parts = [nft.be32(1, kind), nft.be32(2, _NFPROTO[address.version]), nft.be32(3, nft.REGISTER), *registers]
    if flags:
        parts.append(nft.be32(7, flags))
    return [nft.immediate(address.packed), *loads, nft.expression("nat", *parts)]


Reason = Literal["no-route", "port-unreachable", "host-unreachable", "admin-prohibited", "tcp-reset"]
REASONS: Final[dict[Reason, tuple[int, int, int]]] = {
    "no-route": (0, 0, 0), "port-unreachable": (3, 4, 1), "host-unreachable": (1, 3, 2), "admin-prohibited": (13, 1, 3),
}  # fmt: skip
"""Code of an ICMP unreachable (RFC 792), of an ICMPv6 one (RFC 4443 §3.1), and nftables' own for either family."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Throw the packet away and say so, by an ICMP or ICMPv6 unreachable or by a TCP reset.

    `code` replaces the code that `why` stands for (tables of family ip and ip6).
    """

    why: Reason = "port-unreachable"
    code: int | None = None

    def expressions(self, family: Family) -> list[bytes]:
        if self.why == "tcp-reset":
            return [nft.expression("reject", nft.be32(1, 1), attribute(2, b"\0"))]
        kind, column = (0, ("ip", "ip6").index(family)) if family in ("ip", "ip6") else (2, 2)
        code = REASONS[self.why][column] if self.code is None else self.code
        return [nft.expression("reject", nft.be32(1, kind), attribute(2, bytes((code,))))]


@dataclass(frozen=True, slots=True)
class SynProxy:
    """Answer a TCP opening in the target's name, and open the connection to the target afterwards.

    Needs untracked or invalid packets, as nftables' documentation of synproxy says. `mss` in bytes.
    """

    mss: int = 1460
    window_scale: int = 7
    sack: bool = True
    timestamps: bool = True

    def expressions(self, family: Family) -> list[bytes]:
        flags = 1 | 2 | (4 if self.sack else 0) | (8 if self.timestamps else 0)
        scale = attribute(2, bytes((self.window_scale,)))
        return [nft.expression("synproxy", attribute(1, struct.pack(">H", self.mss)), scale, nft.be32(3, flags))]


@dataclass(frozen=True, slots=True)
class Untrack:
    """Take the packet out of connection tracking (chain of type filter, hook prerouting or output, priority -300)."""

    def expressions(self, family: Family) -> list[bytes]:
        return [nft.expression("notrack")]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Write `value` at `offset` of a header.

    `checksum_at` is the offset of that header's Internet checksum, which then follows the change; `pseudo_header` says
    that the field is part of the transport's pseudo header, whose checksum then follows too.
    """

    base: nft.Base
    offset: int
    value: bytes
    checksum_at: int | None = None
    pseudo_header: bool = False

    def expressions(self, family: Family) -> list[bytes]:
        before, after = self.offset % 2, (self.offset + len(self.value)) % 2
        first, length = self.offset - before, before + len(self.value) + after
        store = nft.store(self.base, first, length, checksum_at=self.checksum_at, pseudo_header=self.pseudo_header)
        if not before and not after:
            return [nft.immediate(self.value), store]
        mask = b"\xff" * before + bytes(len(self.value)) + b"\xff" * after
        new = bytes(before) + self.value + bytes(after)
        return [nft.load(self.base, first, length), nft.masked(mask, new), store]


def set_ttl(value: int) -> Rewrite:
    """Set the TTL of an IPv4 packet, with the header checksum."""
    return Rewrite("network", 8, bytes((value,)), checksum_at=10)


def set_hop_limit(value: int) -> Rewrite:
    """Set the hop limit of an IPv6 packet."""
    return Rewrite("network", 7, bytes((value,)))
