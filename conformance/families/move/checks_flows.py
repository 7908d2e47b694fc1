"""Connections that outlast a move, where the endpoint's own kernel moves along."""

from __future__ import annotations

from conformance.families.move.evidence import moves
from conformance.judging.case import Case
from conformance.judging.parameters import FAMILIES
from conformance.judging.register import check
from conformance.recording.index import FrameIndex

RESET = 0x04
"""The flag RST of a TCP header."""


@check("move.flows-survive", scenario="move", family=FAMILIES)
def test_flows_survive(case: Case) -> None:
    """Connections to an endpoint that takes its sockets along are not reset by its move, and carry data again."""
    moves(case, lambda move: move.silent and move.elsewhere and move.state.place_before == move.state.place_after)
    index = case.recording.frames
    resets = index.select(protocol=6, ip_version=4 if case.family == "ipv4" else 6)
    flows = case.flows(purpose="survive")
    ours = {flow.dialled.port for flow in flows} | {flow.local.port for flow in flows if flow.local}
    cut = [int(row) + 1 for row in resets if int(index.tcp_flags[row]) & RESET and ours & _ports(index, int(row))]
    for flow in flows:
        case.expect_flow(
            flow,
            flow.status == "answered",
            expected="a connection that was open before the move carries data after it",
            seen=flow.status,
        )
    case.expect(
        not cut,
        expected="no connection is reset",
        seen=f"{len(cut)} segments with RST",
        frames=cut,
    )


def _ports(index: FrameIndex, row: int) -> set[int]:
    return {int(index.source_port[row]), int(index.destination_port[row])}
