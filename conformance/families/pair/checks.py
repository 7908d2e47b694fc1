"""Pairs: endpoints of two implementations reach each other as themselves, and whose side it is where they do not."""

from __future__ import annotations

from conformance.families.pair import evidence as segments
from conformance.judging.case import Case, describe, socket_text
from conformance.judging.flows import foreign
from conformance.judging.parameters import FAMILIES, PROTOCOLS
from conformance.judging.register import check
from conformance.recording.model import Flow

DIRECTIONS = ("left-to-right", "right-to-left")
SIDES = ("left", "right")


def _flows(case: Case, **wanted: object) -> list[Flow]:
    """The flows of the case's direction, or of both."""
    left, _ = segments.sides(case)
    hosts = {endpoint.name: endpoint.host for endpoint in case.endpoints}
    ways = {"left-to-right": (True,), "right-to-left": (False,)}.get(
        case.parameters.get("direction", ""), (True, False)
    )
    case.window("pair")
    return [flow for flow in case.flows(path="cross-host", **wanted) if (hosts[flow.source] == left.host) in ways]


def _whose(case: Case, flow: Flow) -> tuple[str, list[int]]:
    """Whose side of the flow broke which requirement, in words, and the frames that show it."""
    broken = [segment for segment in segments.of_flow(case, flow) if not segment.holds]
    if not broken:
        return "neither side is to blame by what the wire shows", case.frames_of(flow)
    words = (
        f"{segment.side.profile.name} ({segment.side.name}) breaks {segment.requirement}: {segment.seen}"
        for segment in broken
    )
    return "; ".join(words), [frame for segment in broken for frame in segment.frames]


@check("pair.reach", scenario="pair", family=FAMILIES, protocol=PROTOCOLS, direction=DIRECTIONS)
def test_reach(case: Case) -> None:
    """Endpoints of two implementations, on different hosts, reach each other at their own addresses."""
    for flow in _flows(case, purpose="reach"):
        right = flow.status == "answered" and (flow.answer is None or flow.answer.server == flow.target)
        whose, frames = ("", []) if right else _whose(case, flow)
        case.expect(
            right,
            expected="endpoints of two implementations answer each other at their own addresses",
            seen=f"{describe(flow)}: {flow.status} after {flow.tries} tries; {whose}",
            frames=frames,
        )


@check("pair.addresses-kept", scenario="pair", family=FAMILIES, protocol=PROTOCOLS, direction=DIRECTIONS)
def test_addresses_are_kept(case: Case) -> None:
    """Two implementations see each other's endpoints under their own addresses and ports: neither translates."""
    delivered = [flow for flow in _flows(case, purpose=("reach", "identity")) if flow.arrival is not None]
    case.require(delivered, "nothing arrived at the other side, so nothing can be said of addresses")
    for flow in delivered:
        assert flow.arrival is not None
        seen = ""
        if (flow.arrival.peer, flow.arrival.local) != (flow.local, flow.dialled):
            peer, local = flow.arrival.peer, flow.arrival.local
            seen = f"the far end saw {socket_text(peer.address, peer.port)} -> {socket_text(local.address, local.port)}"
        elif strange := foreign(case.recording, flow):
            first = strange[0]
            seen = f"on {first.tap} it was {socket_text(*first.source)} -> {socket_text(*first.destination)}"
        whose, _ = _whose(case, flow) if seen else ("", [])
        case.expect_flow(
            flow,
            not seen,
            expected="source and destination address and port are the same at both ends and on every wire between",
            seen=f"{seen}; {whose}",
        )


def _legs(case: Case, requirement: str, expected: str, otherwise: str) -> None:
    found = [
        (flow, segment)
        for flow in _flows(case, purpose=("reach", "identity"))
        for segment in segments.of_flow(case, flow)
        if segment.requirement == requirement and segment.side.name == case.parameters["side"]
    ]
    case.require(found, otherwise)
    for flow, segment in found:
        told = f"{segment.side.profile.name}: {flow.protocol} {flow.source} -> {flow.target}: {segment.seen}"
        case.expect(segment.holds, expected=expected, seen=told, frames=segment.frames if not segment.holds else ())


@check("pair.sends", scenario="pair", family=FAMILIES, side=SIDES)
def test_sends(case: Case) -> None:
    """What an endpoint sends leaves its host, from the endpoint's own address and port."""
    _legs(
        case,
        segments.SENDS,
        "every request and answer of this side is on the wire as its endpoint sent it",
        "nothing was asked of this side's endpoints, and they asked nothing",
    )


@check("pair.delivers", scenario="pair", family=FAMILIES, side=SIDES)
def test_delivers(case: Case) -> None:
    """What the other implementation puts on the wire for an endpoint is delivered to it, as it was sent."""
    _legs(
        case,
        segments.DELIVERS,
        "what is on the wire for an endpoint of this side arrives there as it was sent",
        "the other side put nothing on the wire for this side's endpoints",
    )
