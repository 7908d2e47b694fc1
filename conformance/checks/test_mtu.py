"""Path MTU: what an interface promises arrives, or a too-big message comes back; fragments arrive whole."""

from __future__ import annotations

from conformance import limits
from conformance.judging.case import Case
from conformance.judging.evidence import rows_of
from conformance.judging.mtus import path_mtu, sender_mtu
from conformance.judging.register import FAMILIES, check
from conformance.recording.model import Flow

PATHS = ("same-host", "cross-host", "inbound", "outbound")
LOOPBACK_FREE = 1280


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
    """Above the path's MTU the sender is told an MTU of a link of the path, and what fits arrives, in one piece."""
    _carried(case)
    case.require(not [t for t in case.recording.record.taps if t.dropped], "a tap lost frames")
    judged = [
        flow for flow in case.flows(purpose=("sized", "burst")) if flow.size > path_mtu(case.recording.record, flow)
    ]
    case.applies(judged, "no packet that the sender's interface takes is too big for this path")
    for flow in judged:
        report = flow.report
        told = report.mtu if report is not None and flow.status == "too-big" else 0
        quick = not flow.sent_ns or flow.done_ns - flow.sent_ns <= int((limits.TOO_BIG + limits.RETRY) * 1e9)
        case.expect_flow(
            flow,
            least <= told < flow.size and told >= path_mtu(case.recording.record, flow) and quick,
            expected="too big for the path: the sender is told the MTU of the next link, and nothing is fragmented",
            seen=f"{flow.size} bytes: {flow.status}" + (f", told {told} by {report.offender}" if report else ""),
        )
        pieces = _fragments(case, flow)
        if pieces:
            case.expect(
                False, expected="a packet with DF is never fragmented", seen=f"{flow.size} bytes", frames=pieces
            )


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
    uplinks = [tap for tap in record.taps if tap.role == "uplink"]
    rows = index.select(tap=[tap.number for tap in uplinks])
    outer = rows[index.inner_flow[rows] > 0]
    case.require(len(outer), "no encapsulated flow was seen on the uplinks")
    overhead = 70 if int(index.ip_version[outer[0]]) == 6 else 50
    underlay = min(record.testbed.segment_mtu(host.segment) for host in record.testbed.hosts.values())
    for endpoint in case.endpoints:
        mtu = endpoint.kernel.mtu
        case.expect(
            mtu + overhead <= underlay and mtu >= LOOPBACK_FREE,
            expected=f"the endpoint's MTU leaves {overhead} bytes for the encapsulation in the underlay's {underlay}",
            seen=f"{endpoint.name} has {mtu}: outer packets of up to {mtu + overhead} bytes",
            frames=[int(outer[0]) + 1],
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
