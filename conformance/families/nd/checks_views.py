"""A router's own view of its neighbours, asked for by its own means, held against what the taps saw."""

from __future__ import annotations

from conformance import limits
from conformance.families.nd.evidence import sent_by
from conformance.judging.case import Case
from conformance.judging.parameters import FAMILIES
from conformance.judging.register import check
from conformance.judging.timing import SECOND
from conformance.judging.views import Statement, views
from conformance.protocols import arp, ethertypes
from conformance.protocols.ndp import ADVERTISEMENT, TARGET_OPTION, parse
from conformance.recording.events.tables import NeighbourEntry
from conformance.recording.model import EndpointState


@check("nd.table-shown", scenario="reachability", family=FAMILIES)
def test_neighbours_are_what_the_wire_says(case: Case) -> None:
    """The neighbours that a router shows are at the MAC addresses that they said."""
    for host in dict.fromkeys(endpoint.host for endpoint in case.endpoints):
        (view,) = views(case, host, "bindings", NeighbourEntry)
        shown = {row.address: row.mac.lower() for row in view.rows if row.mac}
        for endpoint in (one for one in case.endpoints if one.host == host):
            for address in (one.address for one in case.addresses(endpoint)):
                statement = _answer(case, endpoint, address, view.asked_ns)
                if statement is None:
                    continue
                due = view.answered_ns - statement.time_ns < limits.NEIGHBOUR_FRESH * SECOND
                if due or address in shown:
                    case.expect(
                        shown.get(address) == statement.where,
                        expected="a router shows each neighbour at the MAC address that it told",
                        seen=f"{address} is shown at {shown.get(address, 'no MAC address')}; it told {statement.where}",
                        frames=[statement.number],
                    )


def _answer(case: Case, endpoint: EndpointState, address: str, until: int) -> Statement | None:
    """The endpoint's last answer to its gateway about that address, before that time; None where there was none."""
    index, before = case.recording.frames, (0, until - int(limits.STATION_SHOWN * SECOND))
    gateways = _gateways(case, endpoint)
    found = None
    for row in sent_by(case, endpoint, ethertype=ethertypes.ARP, between=before).tolist():
        packet = arp.parse(index.frame(row))
        answers = packet is not None and packet.operation == arp.REPLY and packet.ethernet_destination in gateways
        if packet is not None and answers and str(packet.sender) == address:
            found = Statement(packet.sender_mac, int(index.time_ns[row]), row + 1)
    for row in sent_by(case, endpoint, icmp_type=ADVERTISEMENT, between=before).tolist():
        message = parse(index.frame(row))
        if message is not None and message.ethernet_destination in gateways and str(message.target) == address:
            mac = message.link_layer(TARGET_OPTION) or message.ethernet_source
            found = Statement(mac, int(index.time_ns[row]), row + 1)
    return found


def _gateways(case: Case, endpoint: EndpointState) -> set[str]:
    """The MAC addresses that the endpoint's gateways said on its link."""
    index, statement = case.recording.frames, set()
    tap = case.tap(endpoint.tap).number
    for _, frame in index.frames(index.select(tap=tap, outbound=False, ethertype=ethertypes.ARP)):
        packet = arp.parse(frame)
        if packet is not None and str(packet.sender) in endpoint.reported_gateways:
            statement.add(packet.sender_mac)
    for _, frame in index.frames(index.select(tap=tap, outbound=False, icmp_type=ADVERTISEMENT)):
        message = parse(frame)
        if message is not None and str(message.target) in endpoint.reported_gateways:
            statement.add(message.link_layer(TARGET_OPTION) or message.ethernet_source)
    return statement
