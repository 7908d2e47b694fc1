"""Path MTU: what an interface promises arrives, or a too-big message comes back; fragments arrive whole."""

from __future__ import annotations

from conformance import limits
from conformance.families.mtu.evidence import by_way, path_mtu, sender_mtu, told_truly, vxlan_overhead
from conformance.judging.case import Case
from conformance.judging.flows import rows_of
from conformance.judging.hops import reporters_of_path
from conformance.judging.parameters import FAMILIES
from conformance.judging.register import check
from conformance.recording.model import Flow

PATHS = ("same-host", "cross-host", "inbound", "outbound")
IPV6_LEAST = 1280
"""The smallest MTU in bytes of a link that carries IPv6 (RFC 8200 §5)."""
SAMPLE = 100
"""Encapsulated frames whose overhead is measured."""


def _carried(case: Case) -> None:
    """Precondition: the path carries small datagrams at all."""
    arrived = [flow for flow in case.flows(purpose="small") if flow.status == "answered"]
    case.require(arrived, "not even a small datagram was answered on this path")


@check("mtu.usable", scenario="mtu", family=FAMILIES, path=PATHS)
def test_own_mtu_is_usable(case: Case) -> None:
    """A packet of the interface's own MTU with DF set arrives at the far end, or a too-big message comes back."""
    _carried(case)
    for flow in case.flows(purpose="sized"):
        case.expect_flow(
            flow,
            flow.arrival is not None or flow.status == "too-big",
            expected="a packet that the interface's MTU allows arrives, or a too-big message comes back",
            seen=f"{flow.size} bytes, MTU {sender_mtu(case.recording.record, flow)}: {flow.status}",
        )


def _too_big(case: Case, least: int) -> None:
    """Whatever does not fit the path is reported to its sender, with the MTU of a link of the path; nothing else is."""
    _carried(case)
    case.require(not [t for t in case.recording.record.taps if t.dropped], "a tap lost frames")
    record = case.recording.record
    found = 0
    for way in by_way(case.flows(purpose=("sized", "burst"))):
        reporters = reporters_of_path(record, way[0])
        judged = [flow for flow in way if flow.size > path_mtu(record, flow) or flow.status == "too-big"]
        found += len(judged)
        for flow in judged:
            told = flow.report is not None and flow.report.mtu >= least and told_truly(record, flow, way)
            _expect_report(case, flow, told, reporters)
    case.applies(found, "no packet that the sender's interface takes is too big for this path")


def _expect_report(case: Case, flow: Flow, told: bool, reporters: set[str]) -> None:
    report = flow.report
    within = limits.TOO_BIG_BURST if flow.purpose == "burst" else limits.TOO_BIG
    quick = not flow.sent_ns or flow.done_ns - flow.sent_ns <= int((within + limits.RETRY) * 1e9)
    case.expect_flow(
        flow,
        told and quick,
        expected="too big for the path: the sender is told the MTU of the next link, and nothing is fragmented",
        seen=f"{flow.size} bytes: {flow.status}" + (f", told {report.mtu} by {report.offender}" if report else ""),
    )
    case.expect_flow(
        flow,
        report is None or report.offender in reporters,
        expected="the report comes from an address of a hop of the path",
        seen=f"{flow.size} bytes: report from {report.offender if report else 'nobody'}",
    )
    pieces = _fragments(case, flow)
    if pieces:
        case.expect(False, expected="a packet with DF is never fragmented", seen=f"{flow.size} bytes", frames=pieces)


def _fragments(case: Case, flow: Flow) -> list[int]:
    index = case.recording.frames
    rows = rows_of(case.recording, flow.id)
    return [int(row) + 1 for row in rows[index.more_fragments[rows] | (index.fragment_offset[rows] > 0)]]


@check("mtu.too-big-v4", scenario="mtu", path=PATHS)
def test_too_big_v4(case: Case) -> None:
    """A router answers a too-big IPv4 packet with DF by ICMP 3/4 with the next hop's MTU, and drops none silently."""
    case.require("ipv4" in case.profile.features, "the profile has no IPv4")
    _too_big(case.of_family("ipv4"), 68)


@check("mtu.too-big-v6", scenario="mtu", path=PATHS)
def test_too_big_v6(case: Case) -> None:
    """The same for IPv6: Packet Too Big with an MTU of at least 1280, to every flow of a burst."""
    _too_big(case.of_family("ipv6"), 1280)


@check("mtu.fragments", scenario="mtu", family=FAMILIES, path=PATHS)
def test_fragments_arrive(case: Case) -> None:
    """Fragmented datagrams are delivered whole: up to 1500 bytes always, larger ones should be."""
    _carried(case)
    for flow in case.flows(purpose="fragments"):
        whole = flow.arrival is not None and flow.intact is not False
        if flow.size > 1500 and not whole:
            case.note(f"a datagram of {flow.size} bytes did not arrive ({flow.status}); only 1500 are demanded")
            continue
        case.expect_flow(
            flow,
            whole,
            expected="a datagram of up to 1500 bytes arrives whole, in however many fragments",
            seen=f"{flow.size} bytes: {flow.status}{', changed on the way' if flow.intact is False else ''}",
        )


@check("mtu.encapsulation-room", scenario="mtu")
def test_room_for_encapsulation(case: Case) -> None:
    """Endpoint MTU plus overhead fits the smallest underlay link, both ends agree, and IPv6 has its 1280 bytes."""
    record = case.recording.record
    case.require(case.endpoints, "no endpoint was attached")
    index = case.recording.frames
    uplinks = [tap.number for tap in record.taps if tap.role == "uplink"]
    rows = index.select(tap=uplinks, more_fragments=False, fragment_offset=0)
    outer = [int(row) for row in rows[index.inner_flow[rows] > 0][:SAMPLE]]
    case.require(outer, "no encapsulated flow was seen on the uplinks")
    overhead = max(
        vxlan_overhead(index.frame(row), int(index.l3_offset[row]), int(index.l4_offset[row])) for row in outer
    )
    underlay = min(record.testbed.segment_mtu(host.segment) for host in record.testbed.hosts.values())
    for endpoint in case.endpoints:
        mtu = endpoint.kernel.mtu
        case.expect(
            mtu + overhead <= underlay and mtu >= IPV6_LEAST,
            expected=f"the endpoint's MTU leaves {overhead} bytes for the encapsulation in the underlay's {underlay}",
            seen=f"{endpoint.name} has {mtu}: outer packets of up to {mtu + overhead} bytes",
            frames=[outer[0] + 1],
        )
        if endpoint.reported_mtu is not None:
            case.expect(
                endpoint.reported_mtu == mtu,
                expected="the reported MTU is the interface's",
                seen=f"{endpoint.name}: reported {endpoint.reported_mtu}, the kernel has {mtu}",
            )
    sizes = {endpoint.kernel.mtu for endpoint in case.endpoints}
    case.expect(
        len(sizes) == 1, expected="all endpoints of the network have one MTU", seen=f"there are {sorted(sizes)}"
    )
