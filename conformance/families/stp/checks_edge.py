"""Spanning trees and endpoints: their ports are edge ports, and what endpoints say of trees is not heard."""

from __future__ import annotations

from conformance.judging.case import Case
from conformance.judging.register import check
from conformance.protocols.stp import frames as stp
from conformance.protocols.stp.frames import TOPOLOGY_CHANGE_NOTIFICATION
from conformance.recording.events.attaching import Attached, LateEndpointRefused, RootClaimed
from conformance.recording.model import Flow, TapState

FABRIC = ("uplink", "rack", "client")
"""Roles of taps beyond the implementation."""


@check("stp.edge-ports", scenario="idle")
def test_endpoints_are_at_the_edge(case: Case) -> None:
    """An endpoint that was just attached talks at once, and its BPDUs do not reach the fabric."""
    for refused in case.all(LateEndpointRefused):
        case.require(False, f"one more endpoint was refused: {refused.problem}")
    _expect_talk(case)
    if case.control:
        case.note("endpoints of the plain wire are stations of the fabric: nothing is between them and it")
    else:
        _expect_claims_unheard(case)


def _expect_talk(case: Case) -> None:
    """On every path on which an endpoint that was there before is answered at the same time."""
    talk = [flow for flow in case.recording.record.flows if flow.purpose == "at-once"]
    names = [event.where for event in case.all(Attached)][-1:]
    usual = {_way(flow) for flow in talk if flow.source not in names and flow.status == "answered"}
    told = [flow for flow in talk if flow.source in names and _way(flow) in usual]
    case.require(told, "nobody was answered on its paths, not even the endpoint that was there before")
    for flow in told:
        case.expect_flow(
            flow,
            flow.status == "answered",
            expected="an endpoint that was just attached is answered in its first three tries, one second apart",
            seen=f"{flow.status} after {flow.tries} tries",
        )


def _way(flow: Flow) -> tuple[str, str, str]:
    return flow.family, flow.path, flow.protocol


def _expect_claims_unheard(case: Case) -> None:
    window = case.window("claims")
    claim = case.the(RootClaimed, otherwise="the latecomer made no claim")
    root, source = bytes.fromhex(claim.root), claim.source
    own = {one.tap for one in case.endpoints if one.name == claim.where}
    span = window.start_ns, window.end_ns
    seen = {tap.name: _heard(case, tap, root, source, span) for tap in case.recording.record.taps}
    case.require(any(seen.get(name) for name in own), "the latecomer's BPDUs were not seen on its own link")
    for tap in case.recording.record.taps:
        if tap.role in FABRIC:
            case.tap(tap.name)
            case.expect(
                not seen[tap.name],
                expected="no BPDU of an endpoint reaches the fabric, nor one that repeats its claim",
                seen=f"{tap.name}: {len(seen[tap.name])} BPDUs",
                frames=seen[tap.name],
            )
    if any(seen[tap.name] for tap in case.recording.record.taps if tap.role == "endpoint" and tap.name not in own):
        case.note("other endpoints hear an endpoint's BPDUs")


def _heard(case: Case, tap: TapState, root: bytes, source: str, span: tuple[int, int]) -> list[int]:
    """Numbers of BPDUs on a tap that are the latecomer's, or have its root."""
    index = case.recording.frames
    rows = index.select(tap=tap.name, between=span)
    found = []
    for row, frame in index.frames(rows[index.ethertype[rows] <= 1500]):
        told = stp.parse(frame)
        if told is None:
            continue
        if told.source == source if told.type == TOPOLOGY_CHANGE_NOTIFICATION else told.root == root:
            found.append(row + 1)
    return found
