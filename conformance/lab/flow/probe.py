"""What to send, and who answers: data only."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final

from conformance.lab.kernel.namespace import Namespace
from conformance.limits import TRIES
from conformance.recording.model import AddressFamily, FlowProtocol, Path

FAMILY: Final[dict[AddressFamily, int]] = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
IP_HEADER: Final[dict[AddressFamily, int]] = {"ipv4": 20, "ipv6": 40}
"""Bytes without options or extension headers (RFC 791 §3.1, RFC 8200 §3)."""

SCTP: Final = 132
GRE: Final = 47
UDP_LITE: Final = 136
EXPERIMENTAL: Final = 253
"""For experimentation and testing (RFC 3692 §2.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One flow to try: from `source` (a name, living in `namespace`) to `destination` and `port` of `target`.

    `id` (1 .. 2**64 - 1) is unique in the recording. `source_port` 0 is ephemeral; for ICMP it is the echo identifier
    (0: the low 16 bits of `id`). `number` is the IP protocol of protocol "ip". `ttl` 0 is the kernel's default. `size`
    is the IP packet's size in bytes, and 0 a small default; for TCP the data sent are `size` less both headers without
    options. `dont_fragment` sends whole what fits the interface, whatever the kernel knows of the path (IPv4: with DF);
    without it a large datagram is fragmented. `tries` are `limits.RETRY` apart; a TCP connection, whose SYN the kernel
    repeats, uses further tries only after a report that a network or host is unreachable, which need not last
    (RFC 1122 §4.2.3.9). `maxseg` is a TCP MSS to announce, 0 the kernel's. `traffic_class` is DSCP and ECN of what the
    probe sends, as one octet (RFC 2474 §3, RFC 3168 §5); of TCP it is the DSCP only.
    """

    id: int
    purpose: str
    path: Path
    protocol: FlowProtocol
    family: AddressFamily
    source: str
    namespace: Namespace
    target: str
    destination: str
    port: int = 0
    number: int = 0
    source_address: str | None = None
    source_port: int = 0
    ttl: int = 0
    size: int = 0
    dont_fragment: bool = False
    tries: int = TRIES
    maxseg: int = 0
    traffic_class: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Who answers in a namespace, on every address of both families: TCP and UDP `ports`, bare IP protocol `numbers`.

    ICMP echo is the kernel's to answer; the server notes which requests arrive.
    """

    name: str
    namespace: Namespace
    tcp_ports: tuple[int, ...] = ()
    udp_ports: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    families: tuple[AddressFamily, ...] = ("ipv4", "ipv6")
