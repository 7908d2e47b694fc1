"""A switch's own view, asked for by its own means, held against what the taps saw: stations and counters."""

from __future__ import annotations

from conformance import limits
from conformance.judging.case import Case
from conformance.judging.register import check
from conformance.judging.timing import SECOND, slack
from conformance.judging.views import Statement, View, views
from conformance.protocols.mac import mac_number, mac_of_number
from conformance.protocols.reserved import RESERVED
from conformance.recording.events.bridging import BridgeReady
from conformance.recording.events.tables import Counters, FdbEntry
from conformance.recording.model import PortState

RESERVED_NUMBERS = [mac_number(address) for address in RESERVED]


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
    known = limits.BRIDGE_KNOWN * case.the(BridgeReady, otherwise="the bridge was never ready").ageing - slack(case)
    for view in views(case, ports[0].host, "stations", FdbEntry):
        shown = {row.mac.lower(): row.port for row in view.rows}
        asked, answered = view.asked_ns, view.answered_ns
        for mac, statement in sorted(_stations(case, ports, asked).items()):
            settled = asked - statement.time_ns > limits.STATION_SHOWN * SECOND
            due = answered - statement.time_ns < known * SECOND
            if settled and (due or mac in shown):
                case.expect(
                    shown.get(mac) == statement.where,
                    expected="a bridge shows each station behind the port where it last spoke",
                    seen=f"{mac} is shown behind {shown.get(mac, 'no port')}; it last spoke behind {statement.where}",
                    frames=[statement.number],
                )


def _stations(case: Case, ports: list[PortState], until: int) -> dict[str, Statement]:
    """Where each station spoke last. Who spoke to a reserved address is left out: whether that is learned is open."""
    index = case.recording.frames
    found: dict[str, Statement] = {}
    special = set()
    for port in ports:
        for row in index.select(tap=case.tap(port.partner).number, outbound=True, between=(0, until)).tolist():
            mac = mac_of_number(int(index.source_mac[row]))
            if int(index.destination_mac[row]) in RESERVED_NUMBERS:
                special.add(mac)
            elif mac not in found or found[mac].time_ns < int(index.time_ns[row]):
                found[mac] = Statement(_name(port), int(index.time_ns[row]), row + 1)
    return {mac: statement for mac, statement in found.items() if mac not in special}


@check("bridge.counters-shown", scenario="bridge")
def test_counters_are_what_was_on_the_wires(case: Case) -> None:
    """The frames that a switch says it received and sent are those on the wires."""
    ports = _ports(case)
    readings = views(case, ports[0].host, "counters", Counters)
    case.require(len(readings) >= 2, "its counters were read only once")
    first, last = (_by_port(one) for one in (readings[0], readings[-1]))
    for port in ports:
        for way, outbound in (("received", True), ("sent", False)):
            least, most = _between(case, port, readings[0], readings[-1], outbound=outbound)
            name = _name(port)
            case.require(least > 0, f"nothing was to be {way} on {name} between the two readings")
            there = name in first and name in last
            counted = _counted(last[name], outbound=outbound) - _counted(first[name], outbound=outbound) if there else 0
            wire = f"{least}" if least == most else f"{least} to {most}"
            case.expect(
                there and least <= counted <= most,
                expected="a switch counts the frames that were on its wires",
                seen=f"{name}: {counted if there else 'nobody knows how many'} {way}, and {wire} on the wire",
            )


def _by_port(view: View[Counters]) -> dict[str, Counters]:
    return {row.port: row for row in view.rows}


def _counted(row: Counters, *, outbound: bool) -> int:
    """What the switch counted of the frames that our end sent (`outbound`), or that came to it."""
    return row.received if outbound else row.sent


def _between(
    case: Case, port: PortState, first: View[Counters], last: View[Counters], *, outbound: bool
) -> tuple[int, int]:
    """The least and the most that may have been counted between two readings: frames that our end sent (`outbound`),
    or that came to it."""
    index, tap = case.recording.frames, case.tap(port.partner).number
    late = int(limits.COUNTED * SECOND)
    surely = first.answered_ns, last.asked_ns - late
    perhaps = first.asked_ns - late, last.answered_ns
    least, most = (len(index.select(tap=tap, outbound=outbound, between=one)) for one in (surely, perhaps))
    return least, most
