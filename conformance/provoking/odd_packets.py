"""Odd packets between two stations: every form that a datagram or an opening segment can have, segments of no
connection, protocols beside TCP and UDP, options, sizes, and packets in another's name.

Each is a flow of the recording with a marker of its own, so it is found wherever it arrives. Each datagram that is cut
has an identification of its own: what one form leaves behind at the receiver completes no other (RFC 791 §3.2,
RFC 8200 §4.5).
"""

from __future__ import annotations

import itertools
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from conformance.adapters.interface import Address, Endpoint
from conformance.lab.flow.payload import query
from conformance.lab.kernel.namespace import Namespace
from conformance.protocols import crafted
from conformance.protocols.marker import mark
from conformance.provoking.context import Context
from conformance.recording.model import AddressFamily, Flow, Path, Socket

OPEN, SHUT = 8005, 7999
"""Ports of the packets: one that the policy three-tier opens, and one that it does not."""
NOWHERE: Final[dict[int, Address]] = {4: IPv4Address("198.51.100.99"), 6: IPv6Address("2001:db8:dead::99")}
"""Addresses of nobody's network (RFC 5737, RFC 3849), by IP version."""
SOURCE_PORT: Final = 41_000
FORMS: Final = 400
"""Source ports of one pair: more than there are forms."""
FILLING: Final = 64
"""Octets of a crafted datagram's payload: enough for several fragments."""
SIZES: Final = (576, 1000, 1400)
"""Sizes of whole packets in octets: filters that look at the length, or at the first so many octets, differ there."""
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
FLAG_SETS: Final = (
    ACK, FIN | ACK, RST, RST | ACK, SYN | ACK, SYN, SYN | PSH, SYN | URG, SYN | ECE | CWR, SYN | ECE | CWR | PSH,
    SYN | FIN, SYN | RST, PSH | ACK, FIN | PSH | URG, 0,
)  # fmt: skip
"""Flags of segments that belong to no connection (RFC 9293 §3.1): openings of every make, answers and nonsense."""
_NAMES: Final = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
OTHER_PROTOCOLS: Final = {132: 28, 47: 4, 136: 8, 253: 0, 4: 0, 33: 0, 41: 0, 50: 0, 89: 0, 103: 0, 112: 0}
"""IP protocols beside TCP, UDP and ICMP, with the offset of a flow's marker behind the IP header: SCTP, GRE, UDP-Lite,
an experiment, IPv4 and IPv6 in IP, DCCP, ESP, OSPF, PIM and VRRP."""
NO_OPERATION, ROUTER_ALERT, RECORD_ROUTE = b"\x01" * 4, bytes((148, 4, 0, 0)), bytes((7, 7, 4, 0, 0, 0, 0, 0))
"""IPv4 options, each padded to four octets (RFC 791 §3.1, RFC 2113 §2.1)."""
OPTIONS: Final = {"no operation": NO_OPERATION, "router alert": ROUTER_ALERT, "record route": RECORD_ROUTE}


@dataclass(frozen=True)
class Pair:
    """Two stations between which packets are sent, in one family: sender and receiver with the addresses used."""

    context: Context
    family: AddressFamily
    path: Path
    source: Endpoint
    target: Endpoint
    near: Address
    far: Address

    def flow(self, purpose: str, form: str, *, port: int, sport: int, number: int = 0) -> Flow:
        """The record of a crafted flow, as it was sent."""
        return Flow(
            id=self.context.number(),
            purpose=purpose,
            path=self.path,
            family=self.family,
            detail=form,
            number=number,
            protocol={crafted.UDP: "udp", crafted.TCP: "tcp"}.get(number, "ip") if number else "udp",
            source=self.source.name,
            target=self.target.name,
            dialled=Socket(address=str(self.far), port=port),
            local=Socket(address=str(self.near), port=sport),
            status="timeout",
        )

    def borrowed_by(self, endpoint: Endpoint) -> Pair:
        """The same pair, in which another endpoint sends under the sender's address."""
        return replace(self, source=endpoint)

    def under(self, address: Address) -> Pair:
        """The same pair, whose sender sends under another address."""
        return replace(self, near=address)


Builder = Callable[[Pair, int, bytes], list[bytes]]
"""From the protocol and its datagram or segment to the packets that carry it."""


def send_crafted(pair: Pair, base: int) -> Iterator[Flow]:
    """Send every form to the open port and to the shut one, and what belongs to no connection to the shut one."""
    ports = itertools.count(SOURCE_PORT + base)
    with raw_socket(pair.source.namespace, pair.family) as sender:
        for port in (OPEN, SHUT):
            for purpose, form, build in _forms(pair.family):
                sport = next(ports)
                flow = pair.flow(purpose, form, port=port, sport=sport)
                datagram = crafted.udp(pair.near, pair.far, (sport, port), query(flow.id, FILLING))
                yield _sent(sender, pair, flow, build(pair, crafted.UDP, datagram))
        for purpose, form, build in _forms(pair.family):
            if purpose != "plain":
                sport = next(ports)
                flow = pair.flow(purpose, f"an opening, {form}", port=SHUT, sport=sport, number=crafted.TCP)
                segment = crafted.tcp(pair.near, pair.far, (sport, SHUT), SYN, query(flow.id, FILLING))
                yield _sent(sender, pair, flow, build(pair, crafted.TCP, segment))
        for flow, packet in _strays(pair, ports):
            yield _sent(sender, pair, flow, [packet])


def send_plain(pair: Pair, base: int, purpose: str, form: str) -> Flow:
    """Send one plain datagram to the open port; `base` is where its source port is counted from."""
    sport = SOURCE_PORT + base
    with raw_socket(pair.source.namespace, pair.family) as sender:
        flow = pair.flow(purpose, form, port=OPEN, sport=sport)
        datagram = crafted.udp(pair.near, pair.far, (sport, OPEN), query(flow.id, FILLING))
        return _sent(sender, pair, flow, [crafted.ip(pair.near, pair.far, crafted.UDP, datagram)])


def send_link_local(pair: Pair, base: int) -> Iterator[Flow]:
    """Send a plain datagram to the shut port between link-local addresses, where both have one: it gets anywhere only
    where they share a link (RFC 4291 §2.5.6)."""
    near, far = (_link_local(pair.context, one) for one in (pair.source, pair.target))
    if near is None or far is None:
        return
    local = replace(pair, near=near, far=far)
    sport = SOURCE_PORT + base
    with raw_socket(pair.source.namespace, "ipv6") as sender:
        flow = local.flow("every-packet", "a datagram between link-local addresses", port=SHUT, sport=sport)
        datagram = crafted.udp(near, far, (sport, SHUT), query(flow.id, FILLING))
        packet = crafted.ip(near, far, crafted.UDP, datagram)
        sender.sendto(packet, (str(far), 0, 0, pair.context.states[pair.source.name].kernel.index))
        yield flow.model_copy(update={"sent_ns": time.time_ns()})


def _link_local(context: Context, endpoint: Endpoint) -> Address | None:
    shown = context.states[endpoint.name].kernel.addresses
    found = [ip_address(one.address) for one in shown if one.scope == "link"]
    return next((one for one in found if one.version == 6), None)


def _sent(sender: socket.socket, pair: Pair, flow: Flow, packets: list[bytes]) -> Flow:
    for packet in packets:
        send_packet(sender, packet, pair.far)
    return flow.model_copy(update={"sent_ns": time.time_ns()})


def _strays(pair: Pair, ports: Iterator[int]) -> Iterator[tuple[Flow, bytes]]:
    """Every packet that is no plain datagram, with its flow: segments of no connection, other protocols, options and
    sizes. `ports` are free source ports."""

    def flow(form: str, number: int) -> tuple[Flow, tuple[int, int]]:
        made = pair.flow("every-packet", form, port=SHUT, sport=next(ports), number=number)
        return made, (made.local.port if made.local else 0, SHUT)

    for flags in FLAG_SETS:
        name = " and ".join(word for bit, word in enumerate(_NAMES) if flags >> bit & 1) or "no flag"
        one, ends = flow(f"a segment of no connection with {name}", crafted.TCP)
        segment = crafted.tcp(pair.near, pair.far, ends, flags, mark(one.id))
        yield one, crafted.ip(pair.near, pair.far, crafted.TCP, segment)
    for number, offset in OTHER_PROTOCOLS.items():
        one, _ = flow(f"IP protocol {number}", number)
        yield one, crafted.ip(pair.near, pair.far, number, bytes(offset) + mark(one.id))
    for size in SIZES:
        one, ends = flow(f"a datagram of {size} octets", crafted.UDP)
        filling = size - (28 if pair.family == "ipv4" else 48)
        datagram = crafted.udp(pair.near, pair.far, ends, query(one.id, filling))
        yield one, crafted.ip(pair.near, pair.far, crafted.UDP, datagram)
    for name, options in OPTIONS.items() if pair.family == "ipv4" else ():
        one, ends = flow(f"a datagram with the option {name}", crafted.UDP)
        datagram = crafted.udp(pair.near, pair.far, ends, query(one.id, FILLING))
        yield one, crafted.ip(pair.near, pair.far, crafted.UDP, datagram, options=options)


def _forms(family: AddressFamily) -> Iterator[tuple[str, str, Builder]]:
    """Purpose, name and builder of every form of a datagram or segment."""
    yield "plain", "a plain datagram", lambda pair, number, data: [crafted.ip(pair.near, pair.far, number, data)]
    yield "fragments", "two fragments", _cut(32)
    yield "fragments", "the second fragment first", lambda *what: _cut(32)(*what)[::-1]
    yield "fragments", "a first fragment of eight octets", _cut(8)
    yield "fragments", "many fragments, backwards", lambda *what: _cut(*range(8, 72, 8))(*what)[::-1]
    yield "fragments", "a fragment that rewrites the ports of another", _overlapping
    if family == "ipv6":
        atomic, options, routing = [crafted.FRAGMENT], [crafted.DESTINATION_OPTIONS], [crafted.ROUTING]
        hop_by_hop = [crafted.HOP_BY_HOP]
        yield "fragments", "a fragment header of a whole packet", _behind(atomic)
        yield "fragments", "a fragment header behind two others", _behind(hop_by_hop + options + atomic)
        yield "extension-headers", "behind hop-by-hop options", _behind(hop_by_hop)
        yield "extension-headers", "behind destination options", _behind(options)
        yield "extension-headers", "behind five destination options", _behind(options * 5)
        yield "extension-headers", "behind a routing header", _behind(routing)
        yield "extension-headers", "behind one of each", _behind(hop_by_hop + options + routing + options)


def _identification(data: bytes) -> int:
    """The identification of what is cut: the source port, which no other packet of the scenario has."""
    (port,) = struct.unpack_from("!H", data)
    return int(port)


def _cut(*cuts: int) -> Builder:
    def build(pair: Pair, number: int, data: bytes) -> list[bytes]:
        return crafted.fragments(pair.near, pair.far, number, data, cuts, identifier=_identification(data))

    return build


def _overlapping(pair: Pair, number: int, data: bytes) -> list[bytes]:
    """The ports come in a second fragment, over those of a port that is open (RFC 1858 §3.2)."""

    def piece(part: bytes, offset: int, *, more: bool) -> bytes:
        own = _identification(data)
        return crafted.piece(pair.near, pair.far, number, part, offset, more=more, identifier=own)

    open_ports = data[:2] + OPEN.to_bytes(2, "big") + data[4:]
    first, over = piece(open_ports[:32], 0, more=True), piece(data[:16], 0, more=True)
    return [first, over, piece(data[32:], 32, more=False)]


def _behind(headers: list[int]) -> Builder:
    def build(pair: Pair, number: int, data: bytes) -> list[bytes]:
        following, payload = crafted.extended(headers, number, data, identifier=_identification(data))
        return [crafted.ip(pair.near, pair.far, following, payload)]

    return build


def raw_socket(namespace: Namespace, family: AddressFamily) -> socket.socket:
    """A socket that sends whole packets, headers included, by the routes of a namespace."""
    made = namespace.socket(
        socket.AF_INET if family == "ipv4" else socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW
    )
    if family == "ipv6":
        made.setsockopt(socket.IPPROTO_IPV6, 36, 1)  # IPV6_HDRINCL
    return made


def send_packet(sender: socket.socket, packet: bytes, target: Address) -> None:
    """Send a whole packet through a raw socket. Raises OSError."""
    sender.sendto(packet, (str(ip_address(target)), 0))
