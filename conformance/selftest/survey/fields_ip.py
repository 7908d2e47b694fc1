"""Fields of ARP, of IP and of what IP carries: RFC 826, 791, 8200, 9293, 768, 792, 4443, 4861, 3810, 3376, 5798."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from conformance.protocols import ethertypes
from conformance.protocols.marker import flow_of
from conformance.selftest.survey.fields import Layout, form, number

ARP: Final = form(
    "hardware-type 16, protocol-type 16, hardware-length 8, protocol-length 8, operation 16,"
    "sender-mac 48, sender-address 32, target-mac 48, target-address 32"
)
IPV4: Final = form(
    "version 4, header-length 4, dscp 6, ecn 2, total-length 16, identification 16, reserved-flag 1, dont-fragment 1,"
    "more-fragments 1, fragment-offset 13, ttl 8, protocol 8, checksum 16, source 32, destination 32"
)
IPV6: Final = form(
    "version 4, dscp 6, ecn 2, flow-label 20, payload-length 16, next-header 8, hop-limit 8, source 128,destination 128"
)
EXTENSION: Final = form("next-header 8, length 8")
FRAGMENT: Final = form("next-header 8, reserved 8, offset 13, reserved-bits 2, more-fragments 1, identification 32")
TCP: Final = form(
    "source-port 16, destination-port 16, sequence 32, acknowledgement 32, data-offset 4, reserved 4, cwr 1, ece 1,"
    "urg 1, ack 1, psh 1, rst 1, syn 1, fin 1, window 16, checksum 16, urgent-pointer 16"
)
UDP: Final = form("source-port 16, destination-port 16, length 16, checksum 16")
ICMP: Final = form("type 8, code 8, checksum 16")
ECHO: Final = form("identifier 16, sequence 16")
VRRP: Final = form("version 4, type 4, router 8, priority 8, address-count 8, reserved 4, interval 12, checksum 16")
VXLAN: Final = form("flags 8, reserved 24, vni 24, reserved-end 8")
NEIGHBOUR: Final = form("router 1, solicited 1, override 1, reserved 29, target 128")
SOLICITATION: Final = form("reserved 32, target 128")
ADVERTISEMENT: Final = form(
    "current-hop-limit 8, managed 1, other 1, home-agent 1, preference 2, reserved 3, router-lifetime 16,"
    "reachable-time 32, retransmission-timer 32"
)

ICMP_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {0: "echo", 8: "echo", 3: "unreachable", 4: "error", 5: "redirect", 11: "time-exceeded", 12: "error"}
)
ICMPV6_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "unreachable", 2: "too-big", 3: "time-exceeded", 4: "error", 128: "echo", 129: "echo", 130: "mld",
        131: "mld", 132: "mld", 133: "router-solicitation", 134: "router-advertisement", 135: "solicitation",
        136: "advertisement", 137: "redirect", 143: "mld",
    }
)  # fmt: skip
_CHAIN: Final = (0, 43, 60)
_FRAGMENT: Final = 44


def arp(made: Layout, at: int) -> None:
    """ARP and RARP."""
    made.kind = "rarp" if number(made.frame, 12) == ethertypes.RARP else "arp"
    made.end = made.take(made.kind, at, ARP)


def ipv4(made: Layout, at: int) -> None:
    """An IPv4 packet, with its options and what it carries, unless it is a later fragment."""
    frame = made.frame
    made.kind = "ipv4"
    begin = made.take("ipv4", at, IPV4)
    if len(frame) < at + 20:
        made.end = len(frame)
        return
    size = max(20, (frame[at] & 15) * 4)
    made.rest("ipv4.options", begin, at + size)
    made.end = min(len(frame), at + number(frame, at + 2))
    made.sums.append((at + 10, at, at + size, b""))
    if len(frame) >= at + size:
        pseudo = frame[at + 12 : at + 20] + bytes((0, frame[at + 9]))
        pseudo += max(0, made.end - at - size).to_bytes(2, "big")
        _carried(made, frame[at + 9], at + size, pseudo, whole=not number(frame, at + 6) & 0x3FFF)


def ipv6(made: Layout, at: int) -> None:
    """An IPv6 packet, with its extension headers and what it carries, unless it is a later fragment."""
    frame = made.frame
    made.kind = "ipv6"
    place = made.take("ipv6", at, IPV6)
    if len(frame) < at + 40:
        made.end = len(frame)
        return
    made.end = min(len(frame), at + 40 + number(frame, at + 4))
    kind, whole = frame[at + 6], True
    while kind in (*_CHAIN, _FRAGMENT) and place + 8 <= len(frame):
        if kind == _FRAGMENT:
            whole = not number(frame, place + 2) & 0xFFF9
            made.take("ipv6-fragment", place, FRAGMENT)
            size = 8
        else:
            size = (frame[place + 1] + 1) * 8
            made.rest("ipv6-extension.content", made.take("ipv6-extension", place, EXTENSION), place + size)
        kind, place = frame[place], place + size
    pseudo = frame[at + 8 : at + 40] + max(0, made.end - place).to_bytes(4, "big") + bytes((0, 0, 0, kind))
    _carried(made, kind, place, pseudo, whole=whole)


def _carried(made: Layout, protocol: int, at: int, pseudo: bytes, *, whole: bool) -> None:
    """What an IP packet carries; of a fragment only payload."""
    known: dict[int, Callable[[Layout, int, bytes], None]] = {
        1: _icmp,
        2: _igmp,
        6: _tcp,
        17: _udp,
        58: _icmpv6,
        112: _vrrp,
    }
    if whole and protocol in known and at + 8 <= made.end:
        known[protocol](made, at, pseudo)
    else:
        made.kind = "fragment" if not whole else f"protocol-{protocol}"
        _payload(made, made.kind, at)


def _payload(made: Layout, protocol: str, at: int) -> None:
    """The payload, without the marker by which the lab finds it."""
    if flow_of(made.frame[at : at + 16]):
        at += 16
    made.rest(f"{protocol}.payload", at, made.end)


def _tcp(made: Layout, at: int, pseudo: bytes) -> None:
    made.kind = "tcp"
    begin = made.take("tcp", at, TCP)
    size = max(20, (made.frame[at + 12] >> 4) * 4) if at + 12 < len(made.frame) else 20
    made.rest("tcp.options", begin, min(at + size, made.end))
    made.sums.append((at + 16, at, made.end, pseudo))
    _payload(made, "tcp", at + size)


def _udp(made: Layout, at: int, pseudo: bytes) -> None:
    made.kind = "udp"
    begin = made.take("udp", at, UDP)
    made.sums.append((at + 6, at, made.end, pseudo))
    if number(made.frame, at + 2) == 4789 and made.frame[begin : begin + 1] == b"\x08":
        made.kind = "vxlan"
        begin = made.take("vxlan", begin, VXLAN)
        made.rest("vxlan.frame", begin, made.end)
    else:
        _payload(made, "udp", begin)


def _icmp(made: Layout, at: int, _: bytes) -> None:
    name = ICMP_NAMES.get(made.frame[at], "other")
    made.sums.append((at + 2, at, made.end, b""))
    _message(made, f"icmp-{name}", at)


def _icmpv6(made: Layout, at: int, pseudo: bytes) -> None:
    name = ICMPV6_NAMES.get(made.frame[at], "other")
    made.sums.append((at + 2, at, made.end, pseudo))
    if name not in ("solicitation", "advertisement", "router-solicitation", "router-advertisement"):
        _message(made, f"icmpv6-{name}", at)
        return
    made.kind = name
    begin = made.take(name, at, ICMP)
    if name == "router-solicitation":
        begin = made.take(name, begin, form("reserved 32"))
    else:
        known = {"router-advertisement": ADVERTISEMENT, "solicitation": SOLICITATION}
        begin = made.take(name, begin, known.get(name, NEIGHBOUR))
    while begin + 2 <= made.end and made.frame[begin + 1]:
        end = begin + made.frame[begin + 1] * 8
        option = f"{name}.option-{made.frame[begin]}"
        made.take(option, begin, form("type 8, length 8"))
        made.rest(f"{option}.value", begin + 2, min(end, made.end))
        begin = end
    made.rest(f"{name}.behind-options", begin, made.end)


def _message(made: Layout, name: str, at: int) -> None:
    """An ICMP or ICMPv6 message that is an echo, or quotes a packet."""
    made.kind = name
    begin = made.take(name, at, ICMP)
    if name.endswith("echo"):
        begin = made.take(name, begin, ECHO)
    elif name == "icmp-unreachable":
        begin = made.take(name, begin, form("unused 16, mtu 16"))
    else:
        begin = made.take(name, begin, form("mtu 32" if name.endswith("too-big") else "unused 32"))
    if name.endswith(("unreachable", "too-big", "time-exceeded")):
        made.rest(f"{name}.quoted", begin, made.end)
    else:
        _payload(made, name, begin)


def _igmp(made: Layout, at: int, _: bytes) -> None:
    made.kind = "igmp"
    made.sums.append((at + 2, at, made.end, b""))
    made.rest("igmp.content", made.take("igmp", at, form("type 8, response-time 8, checksum 16")), made.end)


def _vrrp(made: Layout, at: int, pseudo: bytes) -> None:
    made.kind = "vrrp"
    second = made.frame[at] >> 4 == 2
    made.sums.append((at + 6, at, made.end, b"" if second else pseudo))
    begin = made.take("vrrp", at, VRRP)
    made.rest("vrrp.addresses", begin, made.end)
