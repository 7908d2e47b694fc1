"""The fields in which a packet that arrived differs from the one that was sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from conformance.judging.matching import Matches
from conformance.judging.packet_fields import CHECKSUM_AT, FIELDS, TCP, UDP, Packets
from conformance.recording.index import FrameIndex

HOP_LIMIT: Final = "hop limit"
CHECKSUM: Final = "checksum"
HEADER_CHECKSUM: Final = "IPv4 header checksum"
PAYLOAD: Final = "payload"
ADDRESSING: Final = frozenset({"source address", "destination address", "source port", "destination port"})
"""Addresses and ports; the identifier of an echo stands for both ports."""


@dataclass(frozen=True)
class Difference:
    """One field of one packet: frame numbers where it was sent and where it arrived, and what it was there."""

    field: str
    sent: int
    arrived: int
    before: str
    after: str

    @property
    def text(self) -> str:
        """The difference in words."""
        return f"{self.field} sent {self.before} (frame {self.sent}), arrived {self.after} (frame {self.arrived})"


def differences(index: FrameIndex, sent: Packets, arrived: Packets, found: Matches) -> Iterator[tuple[int, Difference]]:
    """Every difference between the packets of each pair but that of the hop limit, each with the leg of its packet.

    Of a packet that is another one behind the IP header, only addresses and ports of that header are compared: what was
    made anew on the way has a header of its own.
    """
    for field in FIELDS:
        if field == HOP_LIMIT:
            continue
        near, far = sent.values[field][found.sent], arrived.values[field][found.arrived]
        for place in np.flatnonzero((near != far) & (found.same | (field in ADDRESSING))).tolist():
            rows = int(sent.rows[found.sent[place]]), int(arrived.rows[found.arrived[place]])
            yield _named(int(sent.leg[found.sent[place]]), field, rows, [_shown(index, field, row) for row in rows])
    changed = (sent.header[found.sent] != arrived.header[found.arrived]) | (
        sent.body[found.sent] != arrived.body[found.arrived]
    )
    for place in np.flatnonzero(changed).tolist():
        yield from _behind_ip(index, sent, arrived, int(found.sent[place]), int(found.arrived[place]))
    for near_place, far_place in zip(found.sent.tolist(), found.arrived.tolist(), strict=True):
        yield from _checksums(index, sent, arrived, near_place, far_place)


def _named(leg: int, field: str, rows: tuple[int, int], words: list[str]) -> tuple[int, Difference]:
    return leg, Difference(field, rows[0] + 1, rows[1] + 1, words[0], words[1])


def _shown(index: FrameIndex, field: str, row: int) -> str:
    """A field of IP, or a port, as people write it."""
    frame, l3 = index.frame(row), int(index.l3_offset[row])
    version = int(index.ip_version[row])
    traffic = frame[l3 + 1] if version == 4 else (frame[l3] & 15) << 4 | frame[l3 + 1] >> 4
    match field:
        case "source address" | "destination address":
            words = str(index.address(row, field.removesuffix(" address")))
        case "source port" | "destination port":
            port = index.source_port if field.startswith("source") else index.destination_port
            words = str(int(port[row]) or int(index.icmp_id[row]))
        case "DSCP":
            words = str(traffic >> 2)
        case "ECN":
            words = ("Not-ECT", "ECT(1)", "ECT(0)", "CE")[traffic & 3]
        case "flow label":
            words = f"{int.from_bytes(frame[l3 + 1 : l3 + 4], 'big') & 0xFFFFF:#07x}"
        case "don't fragment":
            words = "set" if index.dont_fragment[row] else "not set"
        case "identification":
            words = f"{int(index.ip_id[row]):#06x}"
        case _:
            words = frame[l3 + (20 if version == 4 else 40) : int(index.l4_offset[row])].hex() or "none"
    return words


def _behind_ip(
    index: FrameIndex, sent: Packets, arrived: Packets, near: int, far: int
) -> Iterator[tuple[int, Difference]]:
    """Differences of the transport header, and of what follows it."""
    rows, leg = (int(sent.rows[near]), int(arrived.rows[far])), int(sent.leg[near])
    if sent.header[near] != arrived.header[far]:
        shown = [_header(index, row) for row in rows]
        for field in shown[0]:
            words = [one.get(field, "none") for one in shown]
            if words[0] != words[1]:
                yield _named(leg, field, rows, words)
    if sent.body[near] != arrived.body[far]:
        octets = [_body(index, row, int(these.length[place])) for row, these, place in (
            (rows[0], sent, near), (rows[1], arrived, far)
        )]  # fmt: skip
        yield _named(leg, PAYLOAD, rows, [_excerpt(one, octets) for one in octets])


def _header(index: FrameIndex, row: int) -> dict[str, str]:
    """The fields of a transport header but ports and checksum, by their names."""
    content = index.frame(row)[int(index.l4_offset[row]) :]
    if index.protocol[row] == UDP:
        return {"UDP length": str(int.from_bytes(content[4:6], "big"))}
    if index.protocol[row] != TCP:
        return {"ICMP type": str(content[0]), "ICMP code": str(content[1]), "ICMP sequence": content[6:8].hex()}
    return {
        "TCP sequence number": content[4:8].hex(),
        "TCP acknowledgement number": content[8:12].hex(),
        "TCP reserved bits": str(content[12] >> 1 & 7),
        "TCP flags": f"{(content[12] & 1) << 8 | content[13]:#05x}",
        "TCP window": str(int.from_bytes(content[14:16], "big")),
        "TCP urgent pointer": str(int.from_bytes(content[18:20], "big")),
        "TCP options": content[20 : (content[12] >> 4) * 4].hex() or "none",
    }


def _body(index: FrameIndex, row: int, length: int) -> bytes:
    end = int(index.l3_offset[row]) + int(index.ip_length[row])
    return index.frame(row)[max(end - length, 0) : end]


def _excerpt(octets: bytes, both: list[bytes]) -> str:
    """The length of a body, and its octets from the first difference on."""
    one, other = both
    same = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(one), len(other)) if same is None else same
    return f"{len(octets)} octets, from octet {at} {octets[at : at + 8].hex() or 'nothing'}"


def _checksums(
    index: FrameIndex, sent: Packets, arrived: Packets, near: int, far: int
) -> Iterator[tuple[int, Difference]]:
    """Checksums that are wrong where the packet arrived: of IPv4's header, and of what follows IP. One that hardware
    was to compute is not on any wire yet."""
    rows, leg = (int(sent.rows[near]), int(arrived.rows[far])), int(sent.leg[near])
    frame, l3 = index.frame(rows[1]), int(index.l3_offset[rows[1]])
    if index.ip_version[rows[1]] == 4:
        head = frame[l3 : l3 + (frame[l3] & 15) * 4]
        if int.from_bytes(head, "big") % 0xFFFF:
            yield _named(leg, HEADER_CHECKSUM, rows, ["right", f"wrong ({head[10:12].hex()})"])
    state = [_checksum(index, row) for row in rows]
    if state[1] in ("wrong", "absent") and state[0] != state[1]:
        yield _named(leg, CHECKSUM, rows, state)


def _checksum(index: FrameIndex, row: int) -> str:
    """The checksum behind IP of an unfragmented packet: right, wrong, absent, or open where nobody can say."""
    kind, frame = int(index.protocol[row]), index.frame(row)
    at, l3, l4 = CHECKSUM_AT.get(kind), int(index.l3_offset[row]), int(index.l4_offset[row])
    end = l3 + int(index.ip_length[row])
    fragment = index.more_fragments[row] or index.fragment_offset[row]
    if at is None or fragment or end > len(frame) or index.checksum_not_ready[row]:
        return "open"
    content = frame[l4:end]
    if kind == UDP and content[at : at + 2] == b"\0\0":
        return "absent"
    pseudo = b""
    if kind != 1:
        ends = frame[l3 + 12 : l3 + 20] if index.ip_version[row] == 4 else frame[l3 + 8 : l3 + 40]
        pseudo = ends + kind.to_bytes(4, "big") + len(content).to_bytes(4, "big")
    total = int.from_bytes(pseudo + content + bytes(len(content) & 1), "big")
    return "wrong" if total % 0xFFFF else "right"
