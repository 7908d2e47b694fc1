"""A switch's own view, asked for by its own means, held against what the taps saw: stations, counters, neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from conformance import limits
from conformance.families.nd.evidence import sent_by
from conformance.judging.case import Case
from conformance.judging.links import SECOND, slack
from conformance.judging.register import FAMILIES, check
from conformance.judging.views import views
from conformance.protocols import arp
from conformance.protocols.ndp import ADVERTISEMENT, TARGET_OPTION, parse
from conformance.protocols.reserved import RESERVED
from conformance.recording.model import EndpointState, Event, PortState

FRESH = 20
"""Seconds in which a router has not yet forgotten who answered it (RFC 4861 §10: it is believed for 15 s at least)."""
RESERVED_NUMBERS = [int(address.replace(":", ""), 16) for address in RESERVED]


@dataclass(frozen=True, slots=True)
class Told:
    """What the wire told last: where, when (ns), and in which frame."""

    where: str
    time_ns: int
    number: int


def _ports(case: Case) -> list[PortState]:
    ports = list(case.recording.record.ports)
    case.require(ports, "the implementation showed no port")
    for port in ports:
        case.tap(port.partner)
    return ports


def _name(port: PortState) -> str:
    return port.interface or port.name.rpartition(":")[2]


@check("bridge.table-shown", scenario="bridge")
def test_the_table_is_what_the_ports_saw(case: Case) -> None:
    """A bridge shows every station behind the port where it last spoke."""
    ports = _ports(case)
    ready = next((one for one in case.recording.record.events if one.kind == "ready"), None)
    case.require(ready, "the bridge was never ready")
    assert ready is not None
    known = 0.9 * float(ready.detail["ageing"]) - slack(case)
    for view in views(case, ports[0].host, "stations"):
        shown = {row["mac"].lower(): row["port"] for row in view.detail["rows"]}
        asked, answered = view.detail["asked_ns"], view.detail["answered_ns"]
        for mac, told in sorted(_stations(case, ports, asked).items()):
            settled = asked - told.time_ns > limits.STATION_SHOWN * SECOND
            due = answered - told.time_ns < known * SECOND
            if settled and (due or mac in shown):
                case.expect(
                    shown.get(mac) == told.where,
                    expected="a bridge shows each station behind the port where it last spoke",
                    seen=f"{mac} is shown behind {shown.get(mac, 'no port')}; it last spoke behind {told.where}",
                    frames=[told.number],
                )


def _stations(case: Case, ports: list[PortState], until: int) -> dict[str, Told]:
    """Where each station spoke last. Who spoke to a reserved address is left out: whether that is learned is open."""
    index = case.recording.frames
    found: dict[str, Told] = {}
    special = set()
    for port in ports:
        for row in index.select(tap=case.tap(port.partner).number, outbound=True, between=(0, until)).tolist():
            mac = int(index.source_mac[row]).to_bytes(6, "big").hex(":")
            if int(index.destination_mac[row]) in RESERVED_NUMBERS:
                special.add(mac)
            elif mac not in found or found[mac].time_ns < int(index.time_ns[row]):
                found[mac] = Told(_name(port), int(index.time_ns[row]), row + 1)
    return {mac: told for mac, told in found.items() if mac not in special}


@check("bridge.counters-shown", scenario="bridge")
def test_counters_are_what_was_on_the_wires(case: Case) -> None:
    """The frames that a switch says it received and sent are those on the wires."""
    ports = _ports(case)
    readings = views(case, ports[0].host, "counters")
    case.require(len(readings) >= 2, "its counters were read only once")
    first, last = (_by_port(one) for one in (readings[0], readings[-1]))
    for port in ports:
        for way, outbound in (("received", True), ("sent", False)):
            least, most = _between(case, port, readings[0], readings[-1], outbound=outbound)
            name = _name(port)
            case.require(least > 0, f"nothing was to be {way} on {name} between the two readings")
            there = name in first and name in last
            counted = int(last[name][way]) - int(first[name][way]) if there else 0
            wire = f"{least}" if least == most else f"{least} to {most}"
            case.expect(
                there and least <= counted <= most,
                expected="a switch counts the frames that were on its wires",
                seen=f"{name}: {counted if there else 'nobody knows how many'} {way}, and {wire} on the wire",
            )


def _by_port(view: Event) -> dict[str, Any]:
    return {row["port"]: row for row in view.detail["rows"]}


def _between(case: Case, port: PortState, first: Event, last: Event, *, outbound: bool) -> tuple[int, int]:
    """The least and the most that may have been counted between two readings: frames that our end sent (`outbound`),
    or that came to it."""
    index, tap = case.recording.frames, case.tap(port.partner).number
    late = int(limits.COUNTED * SECOND)
    surely = first.detail["answered_ns"], last.detail["asked_ns"] - late
    perhaps = first.detail["asked_ns"] - late, last.detail["answered_ns"]
    least, most = (len(index.select(tap=tap, outbound=outbound, between=one)) for one in (surely, perhaps))
    return least, most


@check("nd.table-shown", scenario="reachability", family=FAMILIES)
def test_neighbours_are_what_the_wire_says(case: Case) -> None:
    """The neighbours that a router shows are at the MAC addresses that they told."""
    for host in dict.fromkeys(endpoint.host for endpoint in case.endpoints):
        (view,) = views(case, host, "bindings")
        shown = {row["address"]: row["mac"].lower() for row in view.detail["rows"] if row["mac"]}
        for endpoint in (one for one in case.endpoints if one.host == host):
            for address in (one.address for one in case.addresses(endpoint)):
                told = _answer(case, endpoint, address, view.detail["asked_ns"])
                if told is None:
                    continue
                due = view.detail["answered_ns"] - told.time_ns < FRESH * SECOND
                if due or address in shown:
                    case.expect(
                        shown.get(address) == told.where,
                        expected="a router shows each neighbour at the MAC address that it told",
                        seen=f"{address} is shown at {shown.get(address, 'no MAC address')}; it told {told.where}",
                        frames=[told.number],
                    )


def _answer(case: Case, endpoint: EndpointState, address: str, until: int) -> Told | None:
    """The endpoint's last answer to its gateway about that address, before that time; None where there was none."""
    index, before = case.recording.frames, (0, until - int(limits.STATION_SHOWN * SECOND))
    gateways = _gateways(case, endpoint)
    found = None
    for row in sent_by(case, endpoint, ethertype=arp.ARP_TYPE, between=before).tolist():
        packet = arp.parse(index.frame(row))
        answers = packet is not None and packet.operation == arp.REPLY and packet.ethernet_destination in gateways
        if packet is not None and answers and str(packet.sender) == address:
            found = Told(packet.sender_mac, int(index.time_ns[row]), row + 1)
    for row in sent_by(case, endpoint, icmp_type=ADVERTISEMENT, between=before).tolist():
        message = parse(index.frame(row))
        if message is not None and message.ethernet_destination in gateways and str(message.target) == address:
            mac = message.link_layer(TARGET_OPTION) or message.ethernet_source
            found = Told(mac, int(index.time_ns[row]), row + 1)
    return found


def _gateways(case: Case, endpoint: EndpointState) -> set[str]:
    """The MAC addresses that the endpoint's gateways told on its link."""
    index, told = case.recording.frames, set()
    tap = case.tap(endpoint.tap).number
    for _, frame in index.frames(index.select(tap=tap, outbound=False, ethertype=arp.ARP_TYPE)):
        packet = arp.parse(frame)
        if packet is not None and str(packet.sender) in endpoint.reported_gateways:
            told.add(packet.sender_mac)
    for _, frame in index.frames(index.select(tap=tap, outbound=False, icmp_type=ADVERTISEMENT)):
        message = parse(frame)
        if message is not None and str(message.target) in endpoint.reported_gateways:
            told.add(message.link_layer(TARGET_OPTION) or message.ethernet_source)
    return told
