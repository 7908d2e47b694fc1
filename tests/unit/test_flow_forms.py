"""Flows on the wire, byte for byte, and how they read what comes back."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.lab.flow import payload
from conformance.lab.flow.forms import Bare, Echo, Form, crc32c, internet_checksum
from conformance.lab.flow.payload import ANSWER, HOLD, QUERY, Seen
from conformance.protocols.marker import OFFSETS, flow_of
from conformance.recording.model import AddressFamily

IDS = st.integers(1, 2**64 - 1)
FAMILIES: tuple[AddressFamily, AddressFamily] = ("ipv4", "ipv6")
ENDS = {"ipv4": ("192.0.2.1", "198.51.100.1"), "ipv6": ("2001:db8::1", "2001:db8::2")}
NUMBERS = (47, 132, 136, 253)


def received(packet: bytes, family: AddressFamily) -> bytes:
    """As a raw socket hands it over: IPv4 with its header."""
    return b"\x45" + bytes(19) + packet if family == "ipv4" else packet


def test_known_checksums() -> None:
    assert crc32c(b"123456789") == 0xE306_9283
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6")) == internet_checksum(bytes.fromhex("0001f203f4f5f600"))


@given(IDS, st.integers(0, 3000), st.sampled_from([0, HOLD]))
def test_queries_are_recognised_and_checked(flow: int, length: int, flags: int) -> None:
    query = payload.query(flow, length, flags=flags)
    head = payload.head(query)
    assert head == (flow, QUERY, flags, len(query))
    assert flow_of(query) == flow
    assert len(query) == max(length, payload.HEAD.size)
    assert payload.intact(head, query) is (True if len(query) > payload.HEAD.size else None)
    if len(query) > payload.HEAD.size:
        assert payload.intact(head, query[:-1]) is False
        assert payload.intact(head, query[:-1] + bytes((query[-1] ^ 1,))) is False


@given(IDS, st.sampled_from(FAMILIES), st.text(max_size=60), st.integers(0, 65535), st.integers(0, 65535))
def test_answers_say_what_was_seen(
    flow: int, family: AddressFamily, name: str, peer_port: int, local_port: int
) -> None:
    peer, local = ENDS[family]
    seen = Seen(name, peer, peer_port, local, local_port)
    answer = payload.answer(flow, seen)
    assert payload.decode_answer(answer) == seen
    assert payload.head(answer) == (flow, ANSWER, 0, len(answer))
    assert payload.decode_answer(payload.query(flow, len(answer))) is None


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("number", NUMBERS)
def test_bare_protocols_carry_the_marker_where_the_frames_are_searched_for_it(
    number: int, family: AddressFamily
) -> None:
    form = Bare(family, number, 1000, 2000)
    ends = [payload.packed(end) for end in ENDS[family]]
    query = payload.query(77, 101)
    packet = form.dress(query, *ends)
    assert flow_of(packet[OFFSETS.get(number, 0) :]) == 77
    assert form.undress(received(packet, family)) == query
    assert form.quotes(packet, 77)
    assert not form.quotes(packet, 78)
    answer = form.reversed(packet)
    if number in {132, 136}:
        assert struct.unpack_from("!HH", packet) == (1000, 2000)
        assert (answer.source_port, answer.port) == (2000, 1000)


@pytest.mark.parametrize("family", FAMILIES)
def test_damaged_sctp_is_no_message(family: AddressFamily) -> None:
    form = Bare(family, 132, 1000, 2000)
    packet = bytearray(form.dress(payload.query(1), b"", b""))
    packet[-1] ^= 1
    assert form.undress(received(bytes(packet), family)) == b""


def test_udp_lite_checksum_covers_pseudo_header_and_header() -> None:
    source, destination = (payload.packed(end) for end in ENDS["ipv4"])
    packet = Bare("ipv4", 136, 1000, 2000).dress(payload.query(1), source, destination)
    pseudo = source + destination + struct.pack("!BBH", 0, 136, len(packet))
    assert internet_checksum(pseudo + packet[:8]) == 0
    assert struct.unpack_from("!H", packet, 4) == (8,)


def test_echo_is_told_apart_by_identifier_sequence_and_marker() -> None:
    form: Form = Echo("ipv4", 4711, 9)
    request = form.dress(payload.query(9), b"", b"")
    assert internet_checksum(request) == 0
    assert form.undress(received(b"\0" + request[1:], "ipv4")) == payload.query(9)
    assert form.undress(received(request, "ipv4")) == b""
    assert form.quotes(request, 9)
    assert form.quotes(request[:8], 9)
    assert not form.quotes(request, 10)
    assert not Echo("ipv4", 4711, 10).quotes(request[:8], 10)
