"""Spanning trees and endpoints: their ports are edge ports, and what endpoints say of trees is not heard."""

from __future__ import annotations

from typing import NamedTuple

from conformance.judging.case import Case
from conformance.judging.register import check
from conformance.protocols import ethertypes
from conformance.protocols.stp import frames as stp
from conformance.protocols.stp.frames import TOPOLOGY_CHANGE_NOTIFICATION
from conformance.recording.events.attaching import AttachAsked, Attached, LateEndpointRefused, RootClaimed
from conformance.recording.model import Flow, TapState

FABRIC = ("uplink", "rack", "client")
"""Roles of taps beyond the implementation."""


@check("stp.edge-ports", scenario="idle")
def test_endpoints_are_at_the_edge(case: Case) -> None:
    """An endpoint that was just attached talks at once, and its BPDUs do not reach the fabric."""
    for refused in case.all(LateEndpointRefused):
        case.require(False, f"one more endpoint was refused: {refused.problem}")
    _expect_talk(case)
    _expect_no_change(case)
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


def _expect_no_change(case: Case) -> None:
    """An endpoint that is attached changes no tree: nobody tells of a topology change between its attachment and its
    own claims. Undecided where somebody did so before, since a tree that is being made goes on telling of it."""
    began, claims = case.all(AttachAsked)[-1:], case.all(RootClaimed)
    if not began or not claims:
        return
    told = [one for one in _changes(case) if one.source not in {claim.source for claim in claims}]
    after = [one for one in told if began[0].time_ns <= one.time_ns < claims[0].time_ns]
    before = [one for one in told if one.time_ns < began[0].time_ns]
    case.require(not (before and after), "topology changes were told of before the endpoint was attached, and after it")
    case.expect(
        not after,
        expected="no topology change is told of when an endpoint is attached",
        seen=f"{len(after)} BPDUs tell of one on {', '.join(sorted({one.tap for one in after}))}",
        frames=[one.number for one in after],
    )


class Change(NamedTuple):
    """A BPDU that tells of a topology change: its frame's number, its time in ns, the tap, and who sent it."""

    number: int
    time_ns: int
    tap: str
    source: str


def _changes(case: Case) -> list[Change]:
    """Every BPDU, on any tap, that tells of a topology change."""
    index = case.recording.frames
    rows = index.select()
    found = []
    for row, frame in index.frames(rows[index.ethertype[rows] <= ethertypes.LONGEST_LENGTH]):
        said = stp.parse(frame)
        if said is not None and (said.type == TOPOLOGY_CHANGE_NOTIFICATION or said.flags & stp.TC):
            found.append(Change(row + 1, int(index.time_ns[row]), index.taps[int(index.tap[row])], said.source))
    return found


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
