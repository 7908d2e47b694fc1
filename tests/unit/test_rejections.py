"""Who may say that an endpoint is unreachable: what an implementation reports of itself needs a second witness."""

from __future__ import annotations

from ipaddress import IPv4Address

from conformance.families.acl.evidence_rejections import false_reports
from conformance.judging.case import Case
from conformance.protocols import arp, crafted, ethertypes
from conformance.protocols.mac import mac_bytes
from conformance.recording.capture import FLAG_INBOUND, FLAG_OUTBOUND
from conformance.testing import Frame, endpoint, recording

OWN, OTHER, GATEWAY = (IPv4Address(f"192.0.2.{last}") for last in (1, 2, 99))
MAC, NEXT = "00:00:5e:00:53:01", "00:00:5e:00:53:99"
TAP = "a1:eth0"


def report() -> Frame:
    """The gateway says that the other one is not to be reached."""
    asked = crafted.ip(OWN, OTHER, crafted.UDP, crafted.udp(OWN, OTHER, (40_000, 53), b"data"))
    packet = crafted.ip(GATEWAY, OWN, 1, crafted.icmp(GATEWAY, OWN, (3, 13), 0, asked))
    frame = mac_bytes(MAC) + mac_bytes(NEXT) + ethertypes.octets(ethertypes.IPV4) + packet
    return Frame(TAP, frame, 0.2, FLAG_INBOUND)


def wrong(*frames: Frame, gateways: tuple[str, ...] = (str(GATEWAY),)) -> int:
    """How many reports were from nobody on the way."""
    one = endpoint("a1").model_copy(update={"reported_gateways": gateways})
    case = Case(recording(endpoints=[one], frames=[*frames, report()]), {"family": "ipv4"})
    count, found = false_reports(case, one)
    assert count == 1
    return len(found)


def test_a_gateway_that_was_reported_and_looked_for_is_on_the_way() -> None:
    assert wrong(Frame(TAP, arp.request(MAC, OWN, GATEWAY), 0.1, FLAG_OUTBOUND)) == 0


def test_a_gateway_that_only_the_implementation_knows_excuses_nobody() -> None:
    assert wrong() == 1
    assert wrong(Frame(TAP, arp.request(MAC, OWN, OTHER), 0.1, FLAG_OUTBOUND)) == 1, "it looked for another one"
    assert wrong(Frame(TAP, arp.request(NEXT, GATEWAY, GATEWAY), 0.1, FLAG_INBOUND)) == 1, "it says so itself"


def test_an_address_that_was_looked_for_and_not_reported_is_not_on_the_way() -> None:
    assert wrong(Frame(TAP, arp.request(MAC, OWN, GATEWAY), 0.1, FLAG_OUTBOUND), gateways=()) == 1
