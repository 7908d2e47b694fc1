"""Where the packets of each flow were seen, and with which addresses and ports: computed once for a whole recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conformance.recording.index import FrameIndex

ECHO = (0, 8, 128, 129)
"""ICMP and ICMPv6 types of echo request and reply (RFC 792, RFC 4443 §4): one identifier stands for both ports."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One pair of (address, port) that packets of a flow carried, with the first frame and the tap that shows it."""

    source: tuple[str, int]
    destination: tuple[str, int]
    frame: int
    tap: str


def observations(index: FrameIndex) -> dict[int, list[Observation]]:
    """By flow id: every distinct pair of sockets that its packets carried on any tap, in the order of first frames.

    Later fragments, which have no ports, are left out.
    """
    rows = np.flatnonzero((index.flow > 0) & (index.fragment_offset == 0) & (index.ip_version > 0))
    echo = np.isin(index.icmp_type[rows], ECHO)
    ports = [
        np.where(echo, index.icmp_id[rows], column[rows]) for column in (index.source_port, index.destination_port)
    ]
    addresses = [index.source_high, index.source_low, index.destination_high, index.destination_low]
    keys = [index.flow[rows], *(column[rows] for column in addresses), *ports]
    order = np.lexsort([rows, *reversed(keys)])
    changed = np.zeros(len(order), dtype=np.bool_)
    changed[:1] = True
    for key in keys:
        ordered = key[order]
        changed[1:] |= ordered[1:] != ordered[:-1]
    first = np.sort(order[changed])
    known: dict[tuple[int, int, int], str] = {}
    found: dict[int, list[Observation]] = {}
    for place in first.tolist():
        row = int(rows[place])
        source = _text(index, row, "source", known), int(ports[0][place])
        target = _text(index, row, "destination", known), int(ports[1][place])
        seen = Observation(source, target, row + 1, index.taps[index.tap[row]])
        found.setdefault(int(index.flow[row]), []).append(seen)
    return found


def _text(index: FrameIndex, row: int, which: str, known: dict[tuple[int, int, int], str]) -> str:
    high, low = int(getattr(index, f"{which}_high")[row]), int(getattr(index, f"{which}_low")[row])
    key = (int(index.ip_version[row]), high, low)
    if key not in known:
        known[key] = str(index.address(row, which))
    return known[key]
