"""Crafted packets and streams: where they arrived, by their marker, and which of them their receiver had."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import ip_address

import numpy as np
from numpy.typing import NDArray

from conformance.families.acl.evidence import parties_of
from conformance.judging.case import Case
from conformance.judging.flows import rows_of, taps_of
from conformance.judging.parameters import PROTOCOLS, word_of
from conformance.policy.truth import Opening, Peer, decision_on
from conformance.protocols.marker import MARKER, mark
from conformance.recording.model import Flow

Rows = NDArray[np.int64]


def allowed(case: Case, flow: Flow) -> bool:
    """What the first policy of the recording says of a flow, from the address that it was sent from."""
    peers = parties_of(case.recording)
    source, target = peers[flow.source], peers[flow.target]
    if source.labels is None and flow.local is not None:
        source = Peer(source.name, None, (ip_address(flow.local.address),))
    protocol = word_of(flow.protocol, PROTOCOLS)
    opening = Opening(4 if flow.family == "ipv4" else 6, protocol, flow.dialled.port)
    return decision_on(case.recording.record.policies[0], source, target, opening).allowed


def arrived(case: Case, flow: Flow) -> Rows:
    """Rows of the frames of a flow that came in at its target: those with its marker, and those from and to its very
    addresses and ports."""
    taps = taps_of(case, flow.target)
    index = case.recording.frames
    marked = rows_of(case.recording, flow.id)
    rows = marked[np.isin(index.tap[marked], taps) & ~index.outbound[marked]]
    if flow.local is None or not flow.local.port:
        come: Rows = rows
        return come
    exact = index.select(
        tap=taps,
        outbound=False,
        source=flow.local.address,
        destination=flow.dialled.address,
        source_port=flow.local.port,
        destination_port=flow.dialled.port,
    )
    return np.union1d(rows, exact)


def sent(case: Case, flow: Flow) -> Rows:
    """Rows of the frames of a flow that left its source."""
    index = case.recording.frames
    marked = rows_of(case.recording, flow.id)
    found: Rows = marked[np.isin(index.tap[marked], taps_of(case, flow.source)) & index.outbound[marked]]
    return found


def plain_control(case: Case, purpose: str = "plain") -> None:
    """Requires that between the stations of the crafted packets the policy holds for a plain datagram: what is allowed
    arrives, what is denied does not."""
    for flow in case.flows(purpose=purpose):
        there = flow.arrival is not None
        right = there is allowed(case, flow)
        case.require(right, f"a plain datagram {flow.source} -> {flow.target} {'arrived' if there else 'was lost'}")


def quoting(case: Case, flow: Flow, kind: int, code: int) -> Rows:
    """Rows of the ICMP errors of a type and code about a flow that came in at its source."""
    index = case.recording.frames
    rows = index.find(mark(flow.id))
    at = np.isin(index.tap[rows], taps_of(case, flow.source)) & ~index.outbound[rows]
    found: Rows = rows[at & (index.icmp_type[rows] == kind) & (index.icmp_code[rows] == code)]
    return found


def numbers(case: Case, rows: Rows) -> Sequence[int]:
    """The numbers that the datagrams of a stream carry behind their marker, in the order of `rows`."""
    found = []
    for _, frame in case.recording.frames.frames(rows):
        place = frame.find(MARKER.pack(*MARKER.unpack(frame[frame.find(b"PLUGFEST") :][: MARKER.size])))
        found.append(struct.unpack_from("!I", frame, place + MARKER.size)[0])
    return found
