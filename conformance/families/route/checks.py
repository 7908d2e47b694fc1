"""Routability: every endpoint has its own address, and everybody reaches it there."""

from __future__ import annotations

from conformance.judging.case import Case, describe, socket_text
from conformance.judging.flows import claims_of, crossed, delivered, hops_seen, listeners, published_ports, translated
from conformance.judging.hops import expected_hops, reporters
from conformance.judging.packet_differences import CHECKSUM, PAYLOAD
from conformance.judging.packets import Crossing, crossings
from conformance.judging.parameters import FAMILIES, PROTOCOLS
from conformance.judging.register import check
from conformance.recording.model import AddressFamily, Flow

FURTHER = ("identity", "bound-ports", "transport", "marked")
"""Purposes of the flows that follow the first one between two stations."""
MESH = ("same-host", "cross-host", "inbound", "outbound")


def _answered(case: Case, flows: list[Flow]) -> None:
    for flow in flows:
        right = flow.status == "answered" and (flow.answer is None or flow.answer.server == flow.target)
        by = f" by {flow.answer.server}" if flow.answer else ""
        case.expect_flow(
            flow,
            right,
            expected=f"every endpoint answers at its own address on the path {flow.path}",
            seen=f"{flow.status}{by} after {flow.tries} tries{', ' + flow.detail if flow.detail else ''}",
        )


def _carried(case: Case) -> None:
    """Precondition: the path carries an ordinary datagram at all; whether it must is another requirement's question."""
    arrived = [flow for flow in case.flows(purpose="reach", protocol="udp") if flow.arrival is not None]
    case.require(arrived, "the path does not even carry an ordinary datagram")


def _from_outside(case: Case, family: AddressFamily) -> None:
    case.require(case.endpoints, "no endpoint was attached")
    for endpoint in case.endpoints:
        found = case.of_family(family).addresses(endpoint)
        case.expect(found, expected="every endpoint has an address of its own", seen=f"{endpoint.name} has no {family}")
    if all(case.of_family(family).addresses(endpoint) for endpoint in case.endpoints):
        _answered(case, case.flows(purpose="reach", path="inbound", family=family))


@check("route.from-outside-v4", scenario="reachability", protocol=PROTOCOLS)
def test_answers_from_outside_v4(case: Case) -> None:
    """Every endpoint answers at its own IPv4 address to a peer that has nothing but an ordinary IP route."""
    _from_outside(case, "ipv4")


@check("route.from-outside-v6", scenario="reachability", protocol=PROTOCOLS)
def test_answers_from_outside_v6(case: Case) -> None:
    """Every endpoint answers at its own IPv6 address to a peer that has nothing but an ordinary IP route."""
    _from_outside(case, "ipv6")


@check("route.same-host", scenario="reachability", family=FAMILIES, protocol=PROTOCOLS)
def test_same_host(case: Case) -> None:
    """Endpoints of one host reach each other."""
    _answered(case, case.flows(purpose="reach", path="same-host"))


@check("route.cross-host", scenario="reachability", family=FAMILIES, protocol=PROTOCOLS)
def test_cross_host(case: Case) -> None:
    """Endpoints of different hosts reach each other."""
    _answered(case, case.flows(purpose="reach", path="cross-host"))


@check("route.to-outside", scenario="reachability", family=FAMILIES, protocol=PROTOCOLS)
def test_to_outside(case: Case) -> None:
    """Endpoints reach a station outside that belongs to no implementation."""
    _answered(case, case.flows(purpose="reach", path="outbound"))


@check("route.from-host", scenario="reachability", family=FAMILIES, protocol=PROTOCOLS)
def test_from_host(case: Case) -> None:
    """A host reaches its own endpoints."""
    _answered(case, case.flows(purpose="reach", path="from-host"))


@check(
    "route.hairpin", scenario="reachability", family=FAMILIES, protocol=PROTOCOLS, path=("self", "published-hairpin")
)
def test_hairpin(case: Case) -> None:
    """An endpoint reaches itself at the address under which others reach it."""
    case.applies(
        case.parameters["path"] == "self" or case.parameters["protocol"] != "icmp", "ICMP has no ports to publish"
    )
    _answered(case, case.flows(purpose="reach"))


@check("route.well-known-port", scenario="reachability", family=FAMILIES, protocol=("tcp", "udp"))
def test_well_known_ports(case: Case) -> None:
    """Endpoints of one host each serve the same well-known port at their own address, and the host takes none."""
    for flow in case.flows(purpose="ports"):
        case.expect_flow(
            flow,
            flow.answer is not None and flow.answer.server == flow.target,
            expected="each endpoint itself answers at every well-known port of its own address",
            seen=f"{flow.status}{f' by {flow.answer.server}' if flow.answer else ''}",
        )
    for host in case.recording.record.testbed.hosts:
        before = listeners(case, host, "start" if case.snapshots(host, "start") else "before")
        taken = listeners(case, host, "after") - before - published_ports(case, host)
        case.expect(
            not taken,
            expected="no TCP listener appears on the host but those of published ports",
            seen=f"{host} listens on {sorted(taken)} since the first endpoint was attached",
        )


@check("route.every-flow", scenario="reachability", family=FAMILIES, protocol=("tcp", "udp"), path=MESH)
def test_every_flow(case: Case) -> None:
    """Where a protocol reaches, every flow of it does, from and to any port."""
    reached = {(flow.source, flow.target) for flow in case.flows(purpose="reach") if flow.status == "answered"}
    case.require(reached, "no first flow was answered, which is another requirement's failure")
    for flow in case.flows(purpose=FURTHER):
        if (flow.source, flow.target) in reached and not translated(case.recording, flow):
            case.expect_flow(
                flow,
                flow.status == "answered",
                expected="a flow is answered where the first one of its protocol between the same stations is",
                seen=f"{flow.status} after {flow.tries} tries{', ' + flow.detail if flow.detail else ''}",
            )


@check("route.socket-identity", scenario="reachability", family=FAMILIES, protocol=("tcp", "udp"), path=MESH)
def test_socket_identity(case: Case) -> None:
    """What getsockname says at one end is what getpeername says at the other, in both directions."""
    for flow in case.delivered(purpose=("identity", "reach", "bound-ports")):
        assert flow.arrival is not None
        case.expect_flow(
            flow,
            flow.arrival.peer == flow.local and flow.arrival.local == flow.dialled,
            expected="both ends of a flow report the same two addresses and ports",
            seen="the far end saw "
            f"{socket_text(flow.arrival.peer.address, flow.arrival.peer.port)} -> "
            f"{socket_text(flow.arrival.local.address, flow.arrival.local.port)}",
        )


@check("route.reply-source", scenario="reachability", family=FAMILIES, protocol=("tcp", "udp"))
def test_reply_source(case: Case) -> None:
    """A reply leaves with the source address that the request was sent to, on endpoints with several addresses."""
    case.require(case.flows(purpose="every-address"), "no endpoint has several addresses")
    answered = [flow for flow in case.flows(purpose="reach", path="inbound") if flow.status == "answered"]
    case.require(answered, "nothing from outside is answered at all, from whatever address")
    for flow in case.flows(purpose="every-address"):
        case.expect_flow(
            flow,
            flow.status == "answered",
            expected="the answer comes from the address that was dialled",
            seen=f"{flow.status}: no answer from there",
        )


@check("route.hop-limit", scenario="reachability", family=FAMILIES, path=MESH)
def test_hop_limit(case: Case) -> None:
    """Each routed hop, and only a routed hop, lowers the hop limit by one, and reports its expiry."""
    _carried(case)
    for flow in case.flows(purpose="hop-limit"):
        hops = expected_hops(case.recording.record, flow)
        if flow.ttl > hops:
            case.expect_flow(
                flow,
                flow.arrival is not None,
                expected=f"a packet with hop limit {flow.ttl} crosses the {hops} routed hops that the path has",
                seen=flow.status,
            )
            continue
        offender = flow.report.offender if flow.report and flow.status == "expired" else None
        case.expect_flow(
            flow,
            offender is not None and offender in reporters(case.recording.record, flow),
            expected=f"hop limit {flow.ttl} ends at hop {flow.ttl}, which reports that from an address of its own",
            seen=f"{flow.status} {f'from {offender}' if offender else 'without a report'}",
        )
    for flow, crossing in crossed(case, delivered(case)):
        hops = expected_hops(case.recording.record, flow)
        wrong = {fell: frames for fell, frames in hops_seen(case, crossing).items() if fell != hops}
        case.expect(
            not wrong,
            expected=f"every packet crosses the {hops} routed hops that the path has, and arrives {hops} lower",
            seen=f"{describe(flow)}: arrived {', '.join(map(str, sorted(wrong)))} lower",
            frames=next(iter(wrong.values()), ()),
        )


@check("route.any-protocol", scenario="reachability", family=FAMILIES, path=MESH)
def test_any_protocol(case: Case) -> None:
    """IP protocols other than TCP, UDP and ICMP pass unchanged."""
    _carried(case)
    for flow in case.flows(purpose="any-protocol"):
        found = crossings(case.recording).get(flow.id, Crossing()).differences
        changed = next((one for one in found if one.field in (PAYLOAD, CHECKSUM)), None)
        arrived = flow.status if flow.intact is not False else f"{flow.status}, changed on the way"
        case.expect_flow(
            flow,
            flow.arrival is not None and flow.intact is not False and changed is None,
            expected="SCTP, GRE, UDP-Lite and an experimental protocol arrive as they were sent",
            seen=f"protocol {flow.number}: {arrived if changed is None else changed.text}",
        )


@check("route.absent-address", scenario="reachability", family=FAMILIES)
def test_absent_address(case: Case) -> None:
    """An address that was never given, or that was released, is reported or dropped, and never answered."""
    case.window("reachability")
    case.delivered(purpose="reach", path="inbound")
    absent = case.flows(purpose=("absent", "released"))
    for address in sorted({flow.dialled.address for flow in absent}):
        claims = claims_of(case, address)
        case.expect(
            not claims,
            expected="nobody claims an address that no endpoint has, by ARP or neighbour advertisement",
            seen=f"{address} is claimed by {', '.join(sorted(set(claims.values())))}",
            frames=claims,
        )
    for flow in absent:
        case.expect_flow(
            flow,
            flow.status not in ("answered", "refused"),
            expected="nobody answers for an address that no endpoint has",
            seen=f"{flow.status}{f' by {flow.answer.server}' if flow.answer else ''}",
        )


@check("route.port-unreachable", scenario="reachability", family=FAMILIES, path=("same-host", "cross-host", "inbound"))
def test_port_unreachable(case: Case) -> None:
    """A datagram to a closed port is answered by port unreachable, from the very address that was dialled."""
    _carried(case)
    wanted = (3, 3) if case.family == "ipv4" else (1, 4)
    for flow in case.flows(purpose="closed-port"):
        report = flow.report
        case.expect_flow(
            flow,
            report is not None and (report.type, report.code) == wanted and report.offender == flow.dialled.address,
            expected="port unreachable comes back from the address that was dialled",
            seen=f"{flow.status}"
            + (f": type {report.type} code {report.code} from {report.offender}" if report else ""),
        )
