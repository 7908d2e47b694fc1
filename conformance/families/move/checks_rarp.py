"""Moves and frames that are no announcement: RARP, empty frames, and others that only make switches learn."""

from __future__ import annotations

import numpy as np

from conformance.families.move.checks_captured import no_rarp_captured
from conformance.families.move.evidence import is_canary, moves
from conformance.judging.case import Case
from conformance.judging.register import check
from conformance.protocols import arp, ethertypes
from conformance.protocols.mac import mac_text
from conformance.recording.index import FrameIndex

KNOWN = (ethertypes.IPV4, ethertypes.IPV6, ethertypes.ARP, ethertypes.RARP)
"""EtherTypes that are no substitute for an announcement: IP, ARP, and RARP, which has a requirement of its own."""


@check("move.no-rarp", scenario="move", captures=no_rarp_captured)
def test_no_rarp(case: Case) -> None:
    """No RARP is sent to make switches learn, on any tap, untagged, tagged or tunnelled."""
    made = moves(case)
    case.window("move")
    case.window("move-tagged")
    index = case.recording.frames
    plain = [row for row, frame in index.frames(index.select(ethertype=ethertypes.RARP)) if not is_canary(frame)]
    packets = ((row, arp.parse(frame)) for row, frame in index.frames(index.select(ethertype=ethertypes.ARP)))
    reverse = [row for row, packet in packets if packet is not None and packet.operation in arp.REVERSE]
    tunnelled = [row for row, frame in index.frames(np.flatnonzero(index.vni >= 0)) if _carries_rarp(index, row, frame)]
    rows = sorted({*plain, *reverse, *tunnelled})
    movers = {move.new_mac for move in made} | {move.old_mac for move in made}
    sources = {mac_text(index.frame(row)[6:12]) for row in rows}
    case.expect(
        not rows,
        expected="no RARP frame (EtherType 0x8035, or operation 3 or 4) is sent in any move",
        seen=f"{len(rows)} frames on taps, from {', '.join(sorted(sources))}"
        + (", which moved" if sources & movers else ""),
        frames=[row + 1 for row in rows],
    )


def _carries_rarp(index: FrameIndex, row: int, frame: bytes) -> bool:
    inner = int(index.l4_offset[row]) + 16
    packet = arp.parse(frame[inner:])
    return packet is not None and (packet.ethertype == ethertypes.RARP or packet.operation in arp.REVERSE)


@check("move.no-substitute", scenario="move")
def test_no_substitute(case: Case) -> None:
    """No empty or non-IP frame with the endpoint's MAC address stands in for an announcement."""
    made = moves(case)
    case.window("move")
    index = case.recording.frames
    macs = {mac for move in made for mac in (move.old_mac, move.new_mac) if mac}
    start = min(move.state.started_ns for move in made)
    rows = index.select(source_mac=sorted(macs), between=(start, 1 << 62))
    strange = [row for row in rows.tolist() if index.ethertype[row] not in KNOWN and not is_canary(index.frame(row))]
    kinds = sorted({f"0x{int(index.ethertype[row]):04x}" for row in strange})
    case.expect(
        not strange,
        expected="an endpoint that moved is made known by ARP and neighbour discovery alone",
        seen=f"{len(strange)} frames of EtherType {', '.join(kinds)} with the MAC address of an endpoint that moved",
        frames=[row + 1 for row in strange],
    )
