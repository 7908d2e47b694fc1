"""Every packet of every flow that was delivered arrives as it was sent."""

from __future__ import annotations

from conformance.judging.case import Case
from conformance.judging.flows import crossed, delivered, expect_difference, expect_kept, expect_no_packet
from conformance.judging.packet_differences import ADDRESSING, CHECKSUM, HEADER_CHECKSUM, PAYLOAD
from conformance.judging.parameters import FAMILIES
from conformance.judging.quotes import quotes
from conformance.judging.register import check

MESH = ("same-host", "cross-host", "inbound", "outbound")
BEHIND_IP = frozenset({PAYLOAD, CHECKSUM, "UDP length", "ICMP type", "ICMP code", "ICMP sequence"})
"""Fields behind the IP header that are not TCP's own, and not ports."""
HEADER = frozenset({"don't fragment", "identification", "IP options", HEADER_CHECKSUM})
"""Fields of the IP header that no forwarder changes, whatever it may do to hop limit and traffic class."""


@check("route.payload-untouched", scenario="reachability", family=FAMILIES, path=MESH)
def test_payload_is_untouched(case: Case) -> None:
    """What TCP, UDP and ICMP carry arrives octet by octet as it was sent, with a checksum that is right."""
    expect_kept(
        case,
        delivered(case, protocol=("tcp", "udp", "icmp")),
        lambda one: one.field in BEHIND_IP,
        "the octets behind the IP header arrive as they were sent, with a checksum that is right",
    )


@check("route.header-untouched", scenario="reachability", family=FAMILIES, path=MESH)
def test_header_is_untouched(case: Case) -> None:
    """The bit that forbids fragments, IPv4 options and IPv6 extension headers arrive as they were sent."""
    expect_kept(
        case,
        delivered(case),
        lambda one: one.field in HEADER,
        "DF, identification, options and extension headers arrive as they were sent, with a right header checksum",
    )


@check("route.ecn-kept", scenario="reachability", family=FAMILIES, path=MESH)
def test_ecn_is_kept(case: Case) -> None:
    """The ECN field arrives as it was sent, but that congestion marks what is capable of it."""
    expect_kept(
        case,
        delivered(case),
        lambda one: one.field == "ECN" and not (one.before.startswith("ECT") and one.after == "CE"),
        "ECN arrives as it was sent; only ECT may become CE",
    )


@check("route.flow-label-kept", scenario="reachability", path=MESH)
def test_flow_label_is_kept(case: Case) -> None:
    """A flow label that is not zero arrives as it was sent."""
    expect_kept(
        case,
        delivered(case, family="ipv6"),
        lambda one: one.field == "flow label" and int(one.before, 16) != 0,
        "a flow label other than 0 arrives unchanged",
    )


@check("route.dscp-kept", scenario="reachability", family=FAMILIES, path=MESH)
def test_dscp_is_kept(case: Case) -> None:
    """How many packets arrive with another DSCP than they were sent with."""
    found = crossed(case, delivered(case))
    for flow, crossing in found:
        remarked = next((one for one in crossing.differences if one.field == "DSCP"), None)
        expect_difference(case, flow, remarked, expected="the DSCP arrives as it was sent")
    case.figures["packets"] = sum(len(crossing.sent) for _, crossing in found)
    case.figures["remarked"] = sum(one.field == "DSCP" for _, crossing in found for one in crossing.differences)


@check("route.delivered-once", scenario="reachability", family=FAMILIES, path=MESH)
def test_delivered_once(case: Case) -> None:
    """A packet arrives as often as it was sent, and nothing arrives in a flow that its other end did not send."""
    lost = 0
    for flow, crossing in crossed(case, delivered(case)):
        foreign = () if flow.protocol == "tcp" else crossing.unsent
        lost += len(crossing.lost)
        expected = "every packet arrives once, and nothing else arrives in its flow"
        expect_no_packet(case, flow, crossing.again, expected=expected, seen="arrived more often than it was sent")
        expect_no_packet(case, flow, foreign, expected=expected, seen="arrived and was never sent")
    if lost:
        case.note(f"{lost} packets of delivered flows were sent and did not arrive in that form")


@check("route.error-quote", scenario="reachability", family=FAMILIES, path=MESH)
def test_errors_quote_what_was_sent(case: Case) -> None:
    """An ICMP error quotes the packet that it is about as that packet was sent."""
    quoted = [(flow, one) for flow in case.flows() for _, one in quotes(case.recording).get(flow.id, ())]
    case.applies(quoted, "no packet on this path provoked an ICMP error")
    for flow, differences in quoted:
        found = next((one for one in differences if one.field not in ADDRESSING), None)
        expect_difference(
            case, flow, found, expected="an ICMP error quotes header and data of the packet as it was sent"
        )


@check("route.end-to-end-transport", scenario="reachability", family=FAMILIES, path=MESH)
def test_end_to_end_transport(case: Case) -> None:
    """Nothing terminates, proxies or re-originates TCP: every segment arrives with the header it was sent with."""
    expected = "every segment arrives with the sequence numbers, flags, reserved bits and options that it was sent with"
    flows = delivered(case, protocol="tcp")
    expect_kept(case, flows, lambda one: one.field.startswith("TCP"), expected)
    for flow, crossing in crossed(case, flows):
        expect_no_packet(case, flow, crossing.unsent, expected=expected, seen="a segment that the far end never sent")
