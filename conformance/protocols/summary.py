"""One readable line for one frame, for the text of a failure. scapy is imported when the first line is asked for."""

from __future__ import annotations

import functools
import os
from typing import Any, Final

from conformance.protocols import envelope, ethertypes
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.mac import mac_text
from conformance.protocols.marker import flow_of

_ND: Final = {
    133: "router solicitation",
    134: "router advertisement",
    135: "neighbor solicitation",
    136: "neighbor advertisement",
    137: "redirect",
}
_MAX_DEPTH: Final = 3
"""Packets inside packets (tunnels, quotes in errors) that are still described."""

_FOLDERS: Final = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
"""Variables that name the places of a user's caches and settings."""


def one_line(frame: bytes, *, raw: bool = False, link: int = envelope.ETHERNET) -> str:
    """Describe a frame in one line: one captured with a header of type `link`, or (`raw`) an IP packet without one.

    Never raises on what it is given.
    """
    pdu = None if raw else lldp.parse(frame, link)
    if pdu is not None:
        tag = f" {envelope.tag_words(pdu.around.tags)}" if pdu.around.tags else ""
        text = f"{mac_text(pdu.source)} > {_destination(pdu.destination)}{tag} {lldp.line(pdu)}, {len(frame)} bytes"
        return " ".join(text.split())
    if link != envelope.ETHERNET:
        around = envelope.read(frame, link)
        return f"{mac_text(around.source)} > {_destination(None)} type 0x{around.ethertype:04x}, {len(frame)} bytes"
    try:
        _import_scapy()
        from scapy.layers import inet6, vxlan  # noqa: F401 - they register what lies inside Ethernet and UDP
        from scapy.layers.inet import IP
        from scapy.layers.inet6 import IPv6
        from scapy.layers.l2 import Ether

        if raw and frame:
            text = _network(IP(frame) if frame[0] >> 4 == 4 else IPv6(frame), 0)
        else:
            text = _ethernet(Ether(frame), 0)
    except Exception as problem:  # a frame that scapy cannot take apart is still a frame
        text = f"not decoded ({type(problem).__name__})"
    return " ".join(f"{text}, {len(frame)} bytes".split())


def _destination(destination: bytes | None) -> str:
    return "(not captured)" if destination is None else mac_text(destination)


@functools.cache
def _import_scapy() -> None:
    """Import scapy without the folders that it makes for its caches and settings in the user's home."""
    kept = {name: os.environ.get(name) for name in _FOLDERS}
    os.environ.update(dict.fromkeys(_FOLDERS, os.devnull + "/none"))
    try:
        import scapy.main  # noqa: F401
        from scapy.layers import inet6, vxlan  # noqa: F401
    finally:
        for name, value in kept.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _ethernet(frame: Any, depth: int) -> str:
    from scapy.layers.l2 import ARP, Dot1AD, Dot1Q

    text = f"{frame.src} > {frame.dst}"
    inner, kind = frame.payload, frame.type if "type" in frame.fields else None
    while isinstance(inner, Dot1Q | Dot1AD):
        text += f" vlan {inner.vlan}"
        inner, kind = inner.payload, inner.type
    if frame.name != "Ethernet":
        return f"{text} {frame.name}"
    known = _network(ARP(bytes(inner)) if kind == ethertypes.RARP else inner, depth)
    return f"{text} {known or f'type 0x{kind or 0:04x}'}"


def _network(packet: Any, depth: int) -> str:
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import ARP

    if isinstance(packet, ARP):
        return _arp(packet)
    if isinstance(packet, IP):
        part = f" fragment at {packet.frag * 8}" if packet.frag or "MF" in str(packet.flags) else ""
        return _transport(packet, packet.payload, f"ttl {packet.ttl}{part}", packet.proto, depth)
    if isinstance(packet, IPv6):
        return _ipv6(packet, depth)
    return ""


def _ipv6(packet: Any, depth: int) -> str:
    payload, number, notes = packet.payload, packet.nh, f"hlim {packet.hlim}"
    while "IPv6 Extension Header" in payload.name:
        if "Fragment" in payload.name:
            notes += f" fragment at {payload.offset * 8}"
        number, payload = payload.nh, payload.payload
    return _transport(packet, payload, notes, number, depth)


def _arp(arp: Any) -> str:
    if arp.op in (3, 4):  # also under the type of ARP
        return f"RARP {'request' if arp.op == 3 else 'reply'} for {arp.hwdst} from {arp.hwsrc}"
    unset = not any(map(int, arp.psrc.split(".")))
    if arp.psrc == arp.pdst and not unset:
        return f"ARP announcement ({'request' if arp.op == 1 else 'reply'}) {arp.psrc} is-at {arp.hwsrc}"
    if arp.op == 1:
        return f"ARP probe for {arp.pdst} by {arp.hwsrc}" if unset else f"ARP who-has {arp.pdst} tell {arp.psrc}"
    return f"ARP {arp.psrc} is-at {arp.hwsrc}" if arp.op == 2 else f"ARP op {arp.op} {arp.psrc} > {arp.pdst}"


def _transport(packet: Any, payload: Any, notes: str, number: int, depth: int) -> str:
    from scapy.layers.inet import ICMP, TCP, UDP

    near, far = packet.src, packet.dst
    if isinstance(payload, TCP | UDP):
        near = f"[{near}]:{payload.sport}" if ":" in near else f"{near}:{payload.sport}"
        far = f"[{far}]:{payload.dport}" if ":" in far else f"{far}:{payload.dport}"
    ends = f"{near} > {far}"
    if isinstance(payload, TCP):
        data = bytes(payload.payload)
        flags = f"[{payload.flags}] seq {payload.seq} ack {payload.ack}"
        return f"TCP {ends} {flags} data {len(data)}{_flow(data)} {notes}"
    if isinstance(payload, UDP):
        return f"UDP {ends} {_datagram(payload, depth)} {notes}"
    if isinstance(payload, ICMP):
        return f"ICMP {ends} {_icmp(payload, depth)} {notes}"
    if payload.name.startswith(("ICMPv6", "MLD")):
        return f"ICMPv6 {ends} {_icmpv6(payload, depth)} {notes}"
    return f"IP protocol {number} {ends}{_flow(bytes(payload))} {notes}"


def _datagram(udp: Any, depth: int) -> str:
    from scapy.layers.vxlan import VXLAN

    inner = udp.payload
    if isinstance(inner, VXLAN) and depth < _MAX_DEPTH:
        return f"VXLAN vni {inner.vni} {{ {_ethernet(inner.payload, depth + 1)} }}"
    data = bytes(inner)
    return f"data {len(data)}{_flow(data)}"


def _icmp(icmp: Any, depth: int) -> str:
    kind = icmp.sprintf("%ICMP.type%")
    if icmp.type in (0, 8):
        return f"{kind} id {icmp.id} seq {icmp.seq}{_flow(bytes(icmp.payload))}"
    code = icmp.sprintf("%ICMP.code%")
    mtu = f" mtu {icmp.nexthopmtu}" if (icmp.type, icmp.code) == (3, 4) else ""
    return f"{kind} {code}{mtu}{_quote(icmp.payload, depth)}"


def _icmpv6(message: Any, depth: int) -> str:
    kind = message.type
    if kind in (128, 129):
        return f"echo-{'request' if kind == 128 else 'reply'} id {message.id} seq {message.seq}{_flow(message.data)}"
    if kind in (135, 136):
        from scapy.layers.inet6 import ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr

        option = message.getlayer(ICMPv6NDOptSrcLLAddr if kind == 135 else ICMPv6NDOptDstLLAddr)
        link = f" link-layer {option.lladdr}" if option is not None else ""
        bits = "".join(name for name in "RSO" if getattr(message, name, 0)) if kind == 136 else ""
        return f"{_ND[kind]} {message.tgt}{f' [{bits}]' if bits else ''}{link}"
    if kind in _ND:
        return _ND[kind]
    mtu = f" mtu {message.mtu}" if kind == 2 else ""
    name = message.name.removeprefix("ICMPv6").strip()
    return f"{name} code {message.code}{mtu}{_quote(message.payload, depth)}"


def _quote(packet: Any, depth: int) -> str:
    inner = _network(packet, depth + 1) if depth < _MAX_DEPTH else ""
    return f", quoting {{ {inner} }}" if inner else ""


def _flow(data: bytes) -> str:
    flow = flow_of(data)
    return f" flow {flow}" if flow else ""
