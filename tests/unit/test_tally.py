"""Streams: what counts as lost, where probes arrived, and which frames the taps keep."""

from __future__ import annotations

from array import array
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from conformance.lab.streams.counters import Ends, count_stream
from conformance.lab.streams.plan import BULK_PORT, SAMPLE, SAMPLE_PORT, StreamPlan, keep_samples
from conformance.protocols import arp, ethertypes, ndp

MS = 10**6
ARRIVAL = np.dtype([("flow", "u8"), ("tick", "u8"), ("time_ns", "i8")])


def receiver(place: str, ticks: list[int], flow: int = 1) -> Any:
    arrivals = np.array([(flow, tick, tick * MS + 100) for tick in ticks], dtype=ARRIVAL)
    return SimpleNamespace(place=place, arrivals=arrivals, overflowed=0)


def counted(old: Any, new: Any, *, ticks: int = 100, retired: int | None = None, moved: int = 0) -> Any:
    streams = SimpleNamespace(
        stamps=array("q", [tick * MS for tick in range(ticks)]),
        retired={} if retired is None else {1: retired},
        returns=[],
    )
    plan = StreamPlan(1, cast("Any", None), "peer", "ipv4", "192.0.2.1")
    return count_stream(cast("Any", streams), plan, Ends("e", "cross-host", old, new, moved))


def test_an_outage_lasts_from_the_first_lost_probe_to_the_next_that_arrived() -> None:
    found = counted(receiver("old", list(range(40))), receiver("new", list(range(70, 100))))
    assert (found.sent, found.old, found.new) == (100, 40, 30)
    (outage,) = found.outages
    assert (outage.start_ns, outage.end_ns, outage.lost, outage.recovered) == (40 * MS, 70 * MS, 30, True)
    assert found.first_new_ns == 70 * MS + 100
    assert found.last_old_ns == 39 * MS + 100


def test_one_lost_probe_is_no_outage() -> None:
    assert not counted(receiver("old", [n for n in range(100) if n != 50]), None).outages


def test_what_never_recovers_lasts_until_the_end() -> None:
    (outage,) = counted(receiver("old", list(range(40))), receiver("new", [])).outages
    assert (outage.end_ns, outage.recovered) == (99 * MS, False)


def test_what_was_not_sent_is_not_lost() -> None:
    sampled = [tick for tick in range(60, 100) if tick % SAMPLE == 0]
    found = counted(receiver("old", list(range(60))), receiver("new", sampled), retired=60)
    assert found.sent == 60 + len(sampled)
    assert not found.outages


def test_in_one_namespace_the_moment_of_the_move_parts_old_from_new() -> None:
    both = receiver("place", list(range(100)))
    found = counted(both, both, moved=50 * MS)
    assert (found.old, found.new) == (50, 50)


def kept(frame: bytes) -> bool:
    """Run the filter as the kernel does."""
    program, at, value, index = keep_samples(), 0, 0, 0
    while True:
        code, true, false, operand = program[at]
        at += 1
        if code == 0x28:
            value = int.from_bytes(frame[operand : operand + 2], "big")
        elif code == 0x30:
            value = frame[operand]
        elif code == 0xB1:
            index = 4 * (frame[operand] & 0x0F)
        elif code == 0x48:
            value = int.from_bytes(frame[index + operand : index + operand + 2], "big")
        elif code == 0x15:
            at += true if value == operand else false
        else:
            return operand != 0


def test_taps_keep_everything_but_the_bulk_of_streams() -> None:
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Ether

    for network in (IP(), IPv6()):
        assert not kept(bytes(Ether() / network / UDP(sport=BULK_PORT)))
        assert kept(bytes(Ether() / network / UDP(sport=SAMPLE_PORT)))
        assert kept(bytes(Ether() / network / TCP(sport=BULK_PORT)))
    own = IPv4Address("192.0.2.1")
    assert kept(arp.request("02:00:00:00:00:01", own, own))


def test_arp_is_parsed_as_it_is_built() -> None:
    own = IPv4Address("192.0.2.1")
    frame = arp.build(arp.REPLY, "02:00:00:00:00:01", own, own, destination="02:00:00:00:00:02")
    packet = arp.parse(frame)
    assert packet is not None
    assert packet.announces
    assert (packet.operation, packet.ethernet_destination) == (arp.REPLY, "02:00:00:00:00:02")
    tagged = ethertypes.tagged(frame, 5)
    assert arp.parse(tagged) == replace(packet, vlans=(5,))
    assert arp.parse(frame[:30]) is None


def test_advertisements_are_parsed_as_they_are_built() -> None:
    target = IPv6Address("2001:db8::1")
    message = ndp.parse(ndp.advertisement(target, "02:00:00:00:00:01", hop_limit=64, override=False))
    assert message is not None
    assert (message.target, message.hop_limit, message.override, message.solicited) == (target, 64, False, False)
    assert message.link_layer(ndp.TARGET_OPTION) == "02:00:00:00:00:01"
    assert ndp.checksum_holds(ndp.advertisement(target, "02:00:00:00:00:01"))
