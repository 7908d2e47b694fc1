"""How a message is dressed for protocols that go through raw sockets: the headers between IP and the marker."""

from __future__ import annotations

import socket
import struct
from array import array
from dataclasses import dataclass
from struct import Struct
from typing import Final, Protocol

from conformance.lab.flow.probe import FAMILY, GRE, IP_HEADER, SCTP, UDP_LITE
from conformance.lab.flow.sockets import Kind
from conformance.protocols import ethertypes
from conformance.protocols.marker import ICMP_OFFSET, OFFSETS, UDP_OFFSET, flow_of
from conformance.recording.model import AddressFamily

ICMP_NUMBER: Final[dict[AddressFamily, int]] = {"ipv4": 1, "ipv6": 58}
ECHO_REQUEST: Final[dict[AddressFamily, int]] = {"ipv4": 8, "ipv6": 128}
ECHO_REPLY: Final[dict[AddressFamily, int]] = {"ipv4": 0, "ipv6": 129}

SOURCE_PORT: Final = 49253
"""Of UDP-Lite and SCTP probes that name none."""
DISCARD: Final = 9
"""The port that they are sent to then (RFC 863)."""
HEARTBEAT: Final = 4
HEARTBEAT_ACK: Final = 5

ICMP: Final = Struct("!BBHHH")
"""Type, code, checksum, identifier, sequence number of an echo (RFC 792, RFC 4443 §4.1)."""
_PORTS: Final = Struct("!HHHH")
_SCTP_TAG: Final = 1
"""Verification tag, low 16 bits."""
_CHUNK: Final = Struct("!BBHHH8s")
"""SCTP chunk HEARTBEAT or HEARTBEAT ACK with its one parameter (type 1), whose first eight bytes are not ours to use:
the marker then lies where `conformance.protocols.marker` wants it. Connection tracking takes a HEARTBEAT for new."""


def internet_checksum(data: bytes) -> int:
    """The checksum of RFC 1071 over `data`."""
    words = array("H", data if len(data) % 2 == 0 else data + b"\0")
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int.from_bytes(struct.pack("=H", ~total & 0xFFFF), "big")


def _crc_table() -> tuple[int, ...]:
    table = []
    for start in range(256):
        value = start
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC32C: Final = _crc_table()


def crc32c(data: bytes) -> int:
    """CRC32c of `data` (RFC 9260 §6.8 and appendix A)."""
    value = 0xFFFF_FFFF
    for byte in data:
        value = (value >> 8) ^ _CRC32C[(value ^ byte) & 0xFF]
    return value ^ 0xFFFF_FFFF


class Form(Protocol):
    """One protocol as a probe's socket sends and receives it."""

    @property
    def kind(self) -> Kind:
        """The socket that it takes."""

    @property
    def overhead(self) -> int:
        """Bytes of a packet that are not the message, with the IP header."""

    def dress(self, message: bytes, source: bytes, destination: bytes) -> bytes:
        """The bytes to send for `message` between two packed addresses."""

    def undress(self, data: bytes) -> bytes:
        """The message, from the marker on, in what the socket received; empty where it is none for this flow."""

    def quotes(self, quote: bytes, flow: int) -> bool:
        """Whether an ICMP error quotes a packet of `flow`."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """UDP through a connected socket of its own."""

    family: AddressFamily

    @property
    def kind(self) -> Kind:
        """A UDP socket."""
        return (FAMILY[self.family], socket.SOCK_DGRAM, 0)

    @property
    def overhead(self) -> int:
        """IP and UDP headers."""
        return IP_HEADER[self.family] + UDP_OFFSET

    def dress(self, message: bytes, source: bytes, destination: bytes) -> bytes:  # noqa: ARG002
        """The message itself."""
        return message

    def undress(self, data: bytes) -> bytes:
        """The message itself."""
        return data

    def quotes(self, quote: bytes, flow: int) -> bool:
        """Whose marker it is; a quote without marker belongs to the only flow of this socket."""
        return flow_of(quote) in {0, flow}


@dataclass(frozen=True, slots=True)
class Echo:
    """ICMP or ICMPv6 echo with an identifier of our choice."""

    family: AddressFamily
    identifier: int
    sequence: int

    @property
    def kind(self) -> Kind:
        """A raw ICMP socket."""
        return (FAMILY[self.family], socket.SOCK_RAW, ICMP_NUMBER[self.family])

    @property
    def overhead(self) -> int:
        """IP and ICMP headers."""
        return IP_HEADER[self.family] + ICMP_OFFSET

    def dress(self, message: bytes, source: bytes, destination: bytes) -> bytes:  # noqa: ARG002
        """An echo request; the kernel computes the ICMPv6 checksum."""
        header = ICMP.pack(ECHO_REQUEST[self.family], 0, 0, self.identifier, self.sequence)
        if self.family == "ipv6":
            return header + message
        checksum = internet_checksum(header + message)
        return ICMP.pack(ECHO_REQUEST["ipv4"], 0, checksum, self.identifier, self.sequence) + message

    def undress(self, data: bytes) -> bytes:
        """What an echo reply to this identifier returns."""
        packet = behind_ip(data, self.family)
        if len(packet) < ICMP.size:
            return b""
        kind, _, _, identifier, _ = ICMP.unpack_from(packet)
        return packet[ICMP.size :] if (kind, identifier) == (ECHO_REPLY[self.family], self.identifier) else b""

    def quotes(self, quote: bytes, flow: int) -> bool:
        """Whether the quoted echo request is this flow's: by its marker, else by identifier and sequence number."""
        marked = flow_of(quote[ICMP.size :])
        if marked or len(quote) < ICMP.size:
            return marked == flow
        kind, _, _, identifier, sequence = ICMP.unpack_from(quote)
        return (kind, identifier, sequence) == (ECHO_REQUEST[self.family], self.identifier, self.sequence)


@dataclass(frozen=True, slots=True)
class Bare:
    """Any other IP protocol: the smallest valid header of the protocol, then the message.

    UDP-Lite covers its header alone with the checksum (RFC 3828 §3.1), SCTP has its CRC32c, GRE a header without
    options (RFC 2784 §2.1); a protocol unknown here has no header. `source_port` and `port` are those of UDP-Lite
    and SCTP.
    """

    family: AddressFamily
    number: int
    source_port: int
    port: int
    reply: bool = False

    @property
    def kind(self) -> Kind:
        """A raw socket of the protocol."""
        return (FAMILY[self.family], socket.SOCK_RAW, self.number)

    @property
    def overhead(self) -> int:
        """The IP header and what lies before the marker (SCTP pads behind it too)."""
        return IP_HEADER[self.family] + OFFSETS.get(self.number, 0)

    def dress(self, message: bytes, source: bytes, destination: bytes) -> bytes:
        """The IP payload that carries `message`."""
        if self.number == UDP_LITE:
            return self._udp_lite(message, source, destination)
        if self.number == GRE:
            return struct.pack("!HH", 0, ethertypes.EXPERIMENT) + message
        return self._sctp(message) if self.number == SCTP else message

    def _udp_lite(self, message: bytes, source: bytes, destination: bytes) -> bytes:
        length = UDP_OFFSET + len(message)
        pseudo = source + destination
        if self.family == "ipv4":
            pseudo += struct.pack("!BBH", 0, self.number, length)
        else:
            pseudo += struct.pack("!IHBB", length, 0, 0, self.number)
        header = _PORTS.pack(self.source_port, self.port, UDP_OFFSET, 0)
        checksum = internet_checksum(pseudo + header) or 0xFFFF
        return _PORTS.pack(self.source_port, self.port, UDP_OFFSET, checksum) + message

    def _sctp(self, message: bytes) -> bytes:
        length = _CHUNK.size + len(message)
        chunk = _CHUNK.pack(HEARTBEAT_ACK if self.reply else HEARTBEAT, 0, length, 1, length - 4, bytes(8)) + message
        chunk += bytes(-length % 4)
        common = _PORTS.pack(self.source_port, self.port, 0, _SCTP_TAG)
        return common + crc32c(common + bytes(4) + chunk).to_bytes(4, "little") + chunk

    def undress(self, data: bytes) -> bytes:
        """The message behind the protocol's header; empty where SCTP's CRC32c is wrong."""
        packet = behind_ip(data, self.family)
        if self.number != SCTP:
            return packet[OFFSETS.get(self.number, 0) :]
        if crc32c(packet[:8] + bytes(4) + packet[12:]).to_bytes(4, "little") != packet[8:12]:
            return b""
        length = int.from_bytes(packet[14:16], "big")
        return packet[OFFSETS[SCTP] : 12 + length]

    def quotes(self, quote: bytes, flow: int) -> bool:
        """By the marker; a quote too short to hold it counts, since this socket is connected to one destination."""
        return flow_of(quote[OFFSETS.get(self.number, 0) :]) in {0, flow}

    def reversed(self, packet: bytes) -> Bare:
        """The form of the answer to `packet` (without IP header): the ports that it came with, the other way round."""
        if self.number not in {UDP_LITE, SCTP}:
            return self
        source_port, port = struct.unpack_from("!HH", packet)
        return Bare(self.family, self.number, port, source_port, reply=True)


def behind_ip(data: bytes, family: AddressFamily) -> bytes:
    """The IP payload of what a raw socket received: IPv4 ones receive the IP header too (raw(7))."""
    return data[(data[0] & 0x0F) * 4 :] if family == "ipv4" and data else data
