"""Neighbour discovery and MLD as an endpoint's tap saw them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.frames.ndp import ADVERTISEMENT, SOLICITATION, Neighbor, parse
from conformance.judging.case import Case
from conformance.recording.model import EndpointState

MLD_REPORTS = (131, 143)
"""ICMPv6 types of MLDv1 and MLDv2 reports (RFC 2710 §3, RFC 3810 §5.2)."""


def vantages(case: Case, endpoint: EndpointState) -> list[int]:
    """Numbers of the taps that see what the endpoint sends: its own, and those of its host (its cable's other end)."""
    taps = [tap for tap in case.recording.record.taps if tap.name == endpoint.tap or tap.where == endpoint.host]
    case.require(not any(tap.dropped for tap in taps), "a tap that watches the endpoint lost frames")
    return [tap.number for tap in taps]


def seen_from_start(case: Case, endpoint: EndpointState) -> bool:
    """Whether the endpoint was watched from its first frame: by its own tap, or from the host's end of its cable."""
    if case.watched_from_start(endpoint):
        return True
    inside = {tap.number for tap in case.recording.record.taps if tap.where == endpoint.host}
    index = case.recording.frames
    return bool(inside & {int(tap) for tap in index.tap[index.select(source_mac=endpoint.kernel.mac)]})


def neighbours(
    case: Case, endpoint: EndpointState, *, between: tuple[int, int] | None = None
) -> list[tuple[int, Neighbor]]:
    """Rows and messages of the neighbour discovery that the endpoint itself sent, in order; times in ns.

    A message that several taps saw is there as often.
    """
    index = case.recording.frames
    wanted: dict[str, Any] = {
        "tap": vantages(case, endpoint),
        "icmp_type": (SOLICITATION, ADVERTISEMENT),
        "source_mac": endpoint.kernel.mac,
    }
    if between is not None:
        wanted["between"] = between
    rows = index.select(**wanted)
    found = ((row, parse(frame)) for row, frame in index.frames(rows))
    return [(row, message) for row, message in found if message is not None]


def mld_reports(case: Case, endpoint: EndpointState) -> list[int]:
    """Rows of the MLD reports that the endpoint sent."""
    index = case.recording.frames
    rows = index.select(tap=vantages(case, endpoint), icmp_type=MLD_REPORTS, source_mac=endpoint.kernel.mac)
    return [int(row) for row in rows]


def packets_from(case: Case, endpoint: EndpointState, address: object) -> NDArray[np.int64]:
    """Rows of the packets that the endpoint sent from one of its addresses."""
    return case.recording.frames.select(
        tap=vantages(case, endpoint), source=str(address), source_mac=endpoint.kernel.mac
    )


def advertisements_for(case: Case, target: str) -> list[int]:
    """Numbers of the frames, on any tap, in which anybody advertises `target`."""
    index = case.recording.frames
    rows = index.frames(index.select(icmp_type=ADVERTISEMENT))
    return [row + 1 for row, frame in rows if (message := parse(frame)) is not None and str(message.target) == target]
