"""Actions: what a rule does with a packet that its matches let through."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal

from conformance.lab.kernel.netlink import attribute
from conformance.lab.nftables import expression as nft
from conformance.lab.nftables.match import Version

Address = IPv4Address | IPv6Address
PortRange = tuple[int, int]

PROTO_SPECIFIED, PROTO_RANDOM, FULLY_RANDOM = 2, 4, 16
"""NF_NAT_RANGE flags."""
_NFPROTO: Final = {4: 2, 6: 10}
_LOW, _HIGH = nft.SECOND, 3
"""Registers for a port range, beside the address in register 1."""


@dataclass(frozen=True, slots=True)
class Action:
    """What is done, as the kernel's expressions."""

    parts: tuple[bytes, ...] = ()


def accept() -> Action:
    """Let the packet pass this chain."""
    return Action((nft.verdict(1),))


def drop() -> Action:
    """Throw the packet away in silence."""
    return Action((nft.verdict(0),))


def count() -> Action:
    """Nothing but the rule's counter: a witness."""
    return Action()


def jump(chain: str) -> Action:
    """Go on in another chain of the table, and come back at its end."""
    return Action((nft.verdict(-3, chain),))


def back() -> Action:
    """Go back to the chain that jumped to this one; from a base chain, to its policy."""
    return Action((nft.verdict(-5),))


def masquerade(*, random: bool = False, fully_random: bool = False, ports: PortRange | None = None) -> Action:
    """Rewrite the source to the address of the interface that the packet leaves by (chain type nat, postrouting).

    The source port is kept where it is free, unless `random` or `fully_random` chooses another.
    """
    flags = _nat_flags(random, fully_random) | (PROTO_SPECIFIED if ports else 0)
    loads, registers = _ports(ports, 2)
    return Action((*loads, nft.expression("masq", *([nft.be32(1, flags)] if flags else []), *registers)))


def source_nat(
    address: Address, *, ports: PortRange | None = None, random: bool = False, fully_random: bool = False
) -> Action:
    """Rewrite the source to `address`, and its port to one of `ports` if given (chain type nat)."""
    return _translation(0, address, ports, _nat_flags(random, fully_random))


def destination_nat(address: Address, *, port: int | None = None) -> Action:
    """Rewrite the destination to `address`, and its port to `port` if given (chain type nat, prerouting or output)."""
    return _translation(1, address, None if port is None else (port, port), 0)


def redirect(*, port: int | None = None) -> Action:
    """Rewrite the destination to this host itself, and its port to `port` if given (chain type nat)."""
    loads, registers = _ports(None if port is None else (port, port), 1)
    return Action((*loads, nft.expression("redir", *registers)))


def _nat_flags(random: bool, fully_random: bool) -> int:
    return (PROTO_RANDOM if random else 0) | (FULLY_RANDOM if fully_random else 0)


def _ports(ports: PortRange | None, kind: int) -> tuple[list[bytes], list[bytes]]:
    """Loads of a port range, and the two attributes from `kind` on that say in which registers it is."""
    if ports is None:
        return [], []
    loads = [nft.immediate(struct.pack(">H", port), place) for port, place in zip(ports, (_LOW, _HIGH), strict=True)]
    return loads, [nft.be32(kind, _LOW), nft.be32(kind + 1, _HIGH)]


def _translation(kind: int, address: Address, ports: PortRange | None, flags: int) -> Action:
    loads, registers = _ports(ports, 5)
    parts = [nft.be32(1, kind), nft.be32(2, _NFPROTO[address.version]), nft.be32(3, nft.REGISTER), *registers]
    if flags:
        parts.append(nft.be32(7, flags))
    return Action((nft.immediate(address.packed), *loads, nft.expression("nat", *parts)))


Reason = Literal["no-route", "port-unreachable", "host-unreachable", "admin-prohibited"]
REASONS: Final[dict[Reason, dict[Version | None, int]]] = {
    "no-route": {4: 0, 6: 0, None: 0},
    "port-unreachable": {4: 3, 6: 4, None: 1},
    "host-unreachable": {4: 1, 6: 3, None: 2},
    "admin-prohibited": {4: 13, 6: 1, None: 3},
}
"""Code of an ICMP unreachable (RFC 792), of an ICMPv6 one (RFC 4443 §3.1), and nftables' own for either."""


def reject(why: Reason | int = "port-unreachable", version: Version | None = None) -> Action:
    """Throw the packet away and say so by an ICMP or ICMPv6 destination unreachable, for a reason or with a code.

    Tables of family ip and ip6 need their `version`; in the others None stands for both.
    """
    code = why if isinstance(why, int) else REASONS[why][version]
    kind = 2 if version is None else 0
    return Action((nft.expression("reject", nft.be32(1, kind), attribute(2, bytes((code,)))),))


def reset() -> Action:
    """Throw the segment away and answer with a TCP reset. Put transport("tcp") before it."""
    return Action((nft.expression("reject", nft.be32(1, 1), attribute(2, b"\0")),))


def synproxy(*, mss: int = 1460, window_scale: int = 7, sack: bool = True, timestamps: bool = True) -> Action:
    """Answer a TCP opening in the target's name, and open the connection to the target afterwards.

    Needs its SYN untracked, and the answer to it in state invalid or untracked. `mss` in bytes.
    """
    flags = 1 | 2 | (4 if sack else 0) | (8 if timestamps else 0)
    scale = attribute(2, bytes((window_scale,)))
    return Action((nft.expression("synproxy", attribute(1, struct.pack(">H", mss)), scale, nft.be32(3, flags)),))


def duplicate(gateway: Address) -> Action:
    """Send a copy of the packet by the route to `gateway`, beside the packet itself (chain type filter)."""
    return Action((nft.immediate(gateway.packed), nft.expression("dup", nft.be32(1, nft.REGISTER))))


def untrack() -> Action:
    """Take the packet out of connection tracking (chain type filter, hook prerouting or output, priority -300)."""
    return Action((nft.expression("notrack"),))


def rewrite(
    base: nft.Base, offset: int, value: bytes, *, checksum_at: int | None = None, pseudo_header: bool = False
) -> Action:
    """Write `value` at `offset` of a header.

    `checksum_at` is the offset of that header's Internet checksum, which then follows the change; `pseudo_header` says
    that the field is part of the transport's pseudo header, whose checksum then follows too. The kernel changes
    checksums by 16-bit words, so whole words are written.
    """
    before, after = offset % 2, (offset + len(value)) % 2
    first, size = offset - before, before + len(value) + after
    store = nft.store(base, first, size, checksum_at=checksum_at, pseudo_header=pseudo_header)
    if not before and not after:
        return Action((nft.immediate(value), store))
    mask = b"\xff" * before + bytes(len(value)) + b"\xff" * after
    new = bytes(before) + value + bytes(after)
    return Action((nft.load(base, first, size), nft.masked(mask, new), store))


def set_ttl(value: int) -> Action:
    """Set the TTL of an IPv4 packet, with the header checksum."""
    return rewrite("network", 8, bytes((value,)), checksum_at=10)


def set_hop_limit(value: int) -> Action:
    """Set the hop limit of an IPv6 packet."""
    return rewrite("network", 7, bytes((value,)))
