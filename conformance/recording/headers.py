"""Decoding the headers of many frames at once: every function works on arrays of byte positions, none on one frame."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.protocols import ethertypes
from conformance.protocols.marker import MAGIC, OFFSETS
from conformance.recording.capture import LINK_COOKED, LINK_COOKED_2, LINK_ETHERNET, LINK_RAW, rows_at

Positions = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]

PAD: Final = 128
"""Bytes behind the data that a gather may touch; what lies there is never taken for a frame's."""
VXLAN_PORTS: Final = (4789, 8472)
"""RFC 7348 §8.1, and the port of Linux from before it had a number."""
TAG_TYPES: Final = (*ethertypes.TAGS, ethertypes.OLD_TAG)
_MAX_TAGS: Final = 3
_EXTENSIONS: Final = (0, 43, 44, 51, 60, 135, 139, 140)
"""IPv6 extension headers that say their own length (RFC 7045 §4), the fragment header among them."""
_MAX_EXTENSIONS: Final = 8
_WITH_PORTS: Final = (6, 17, 33, 132, 136)
_SNAP_HEAD: Final = int.from_bytes(ethertypes.LLC_SNAP + b"\0", "big")
_MAGIC: Final = int.from_bytes(MAGIC, "big")

_ETHERNET: Final = np.dtype([("dst", ">u2"), ("dst_low", ">u4"), ("src", ">u2"), ("src_low", ">u4"), ("type", ">u2")])
_COOKED: Final = np.dtype([("skip", "V6"), ("src", ">u2"), ("src_low", ">u4"), ("rest", "V2"), ("type", ">u2")])
_COOKED_2: Final = np.dtype([("type", ">u2"), ("skip", "V10"), ("src", ">u2"), ("src_low", ">u4"), ("rest", "V2")])
_SNAP: Final = np.dtype([("head", ">u4"), ("organisation", ">u2"), ("type", ">u2")])
_TAG: Final = np.dtype([("tci", ">u2"), ("type", ">u2")])
_IPV4: Final = np.dtype([
    ("head", "u1"), ("tos", "u1"), ("total", ">u2"), ("id", ">u2"), ("fragment", ">u2"), ("ttl", "u1"),
    ("protocol", "u1"), ("sum", ">u2"), ("src", ">u4"), ("dst", ">u4"),
])  # fmt: skip
_IPV6: Final = np.dtype([
    ("head", ">u4"), ("payload", ">u2"), ("next", "u1"), ("limit", "u1"), ("src", ">u8", 2), ("dst", ">u8", 2),
])  # fmt: skip
_EXTENSION: Final = np.dtype([("next", "u1"), ("size", "u1"), ("fragment", ">u2"), ("id", ">u4")])
_L4: Final = np.dtype([
    ("a", ">u2"), ("b", ">u2"), ("c", ">u2"), ("d", ">u2"), ("acknowledged", ">u4"), ("offset_flags", ">u2"),
])  # fmt: skip
_MARK: Final = np.dtype([("magic", ">u8"), ("flow", ">u8")])
_VXLAN: Final = np.dtype([("flags", ">u4"), ("vni", ">u4")])

KINDS: Final[dict[str, Any]] = {
    "ethertype": np.uint16, "vlan": np.int16, "source_mac": np.uint64, "destination_mac": np.uint64,
    "ip_version": np.uint8, "source_high": np.uint64, "source_low": np.uint64,
    "destination_high": np.uint64, "destination_low": np.uint64, "protocol": np.int16, "ttl": np.uint8,
    "ip_length": np.uint32, "ip_id": np.uint32, "dont_fragment": np.bool_, "more_fragments": np.bool_,
    "fragment_offset": np.uint16, "source_port": np.uint16, "destination_port": np.uint16,
    "icmp_type": np.int16, "icmp_code": np.int16, "icmp_id": np.uint16, "tcp_flags": np.uint16,
    "l3_offset": np.int64, "l4_offset": np.int64, "flow": np.uint64, "inner_flow": np.uint64, "vni": np.int32,
}  # fmt: skip
"""Columns of `decode` and their types."""
_ABSENT: Final = {"vlan": -1, "protocol": -1, "icmp_type": -1, "icmp_code": -1, "vni": -1}


def decode(data: bytes, start: Positions, end: Positions, link_type: NDArray[Any], *, inner: bool = False) -> Columns:
    """All columns of `KINDS` for the frames that lie at start .. end of `data`, each of shape (frames,).

    `data` must have `PAD` further bytes behind the last frame. Absent fields are 0, or -1 for `vlan`, `protocol`,
    `icmp_type`, `icmp_code` and `vni`. `l3_offset` and `l4_offset` are positions in `data`, 0 where there is none.
    `inner` says that these frames come out of a tunnel: no further one is looked into.
    """
    columns: Columns = {name: np.zeros(len(start), dtype=kind) for name, kind in KINDS.items()}
    for name, absent in _ABSENT.items():
        columns[name].fill(absent)
    if not len(start):
        return columns
    _ethernet(data, start, end, link_type, columns)
    _ipv4(data, end, columns)
    _ipv6(data, end, columns)
    _transport(data, end, columns)
    _flows(data, end, columns)
    if not inner:
        _tunnels(data, end, columns)
    return columns


def _gather(data: bytes, positions: Positions, kind: np.dtype[Any]) -> NDArray[Any]:
    return rows_at(data, positions, kind.itemsize).view(kind)


def _ethernet(data: bytes, start: Positions, end: Positions, link_type: NDArray[Any], columns: Columns) -> None:
    rows = np.flatnonzero((link_type == LINK_ETHERNET) & (end - start >= 14))
    head = _gather(data, start[rows], _ETHERNET)
    for name, field in (("destination_mac", "dst"), ("source_mac", "src")):
        columns[name][rows] = head[field].astype(np.uint64) << np.uint64(32) | head[f"{field}_low"]
    kind = columns["ethertype"]
    kind[rows] = head["type"]
    l3 = columns["l3_offset"]
    l3[rows] = start[rows] + 14
    cooked = _cooked(data, start, end, link_type, columns)
    rows = np.concatenate((rows, cooked)) if len(cooked) else rows
    for _ in range(_MAX_TAGS):
        rows = rows[np.isin(kind[rows], TAG_TYPES) & (l3[rows] + 4 <= end[rows])]
        if not len(rows):
            break
        tag = _gather(data, l3[rows], _TAG)
        first = rows[columns["vlan"][rows] < 0]
        columns["vlan"][first] = (tag["tci"][columns["vlan"][rows] < 0] & 0x0FFF).astype(np.int16)
        kind[rows] = tag["type"]
        l3[rows] += 4
    _snap(data, end, columns)
    rows = np.flatnonzero((link_type == LINK_RAW) & (end > start))
    version = np.frombuffer(data, dtype=np.uint8)[start[rows]] >> 4
    kind[rows] = np.where(version == 4, ethertypes.IPV4, np.where(version == 6, ethertypes.IPV6, 0))
    l3[rows] = start[rows]


def _cooked(
    data: bytes, start: Positions, end: Positions, link_type: NDArray[Any], columns: Columns
) -> NDArray[np.intp]:
    """Source, EtherType and what follows of frames that Linux captured with a header of its own, which have no
    destination; returns their rows."""
    found = []
    for link, size, layout in ((LINK_COOKED, 16, _COOKED), (LINK_COOKED_2, 20, _COOKED_2)):
        rows = np.flatnonzero((link_type == link) & (end - start >= size))
        head = _gather(data, start[rows], layout)
        columns["source_mac"][rows] = head["src"].astype(np.uint64) << np.uint64(32) | head["src_low"]
        columns["ethertype"][rows] = head["type"]
        columns["l3_offset"][rows] = start[rows] + size
        found.append(rows)
    return np.concatenate(found)


def _snap(data: bytes, end: Positions, columns: Columns) -> None:
    """The EtherType of frames that have it behind LLC and SNAP (RFC 1042), in place of the length."""
    kind, l3 = columns["ethertype"], columns["l3_offset"]
    rows = np.flatnonzero((kind <= ethertypes.LONGEST_LENGTH) & (l3 > 0) & (l3 + 8 <= end))
    head = _gather(data, l3[rows], _SNAP)
    rfc_1042 = (head["head"] == _SNAP_HEAD) & (head["organisation"] == 0) & (head["type"] > ethertypes.LONGEST_LENGTH)
    kind[rows[rfc_1042]] = head["type"][rfc_1042]
    l3[rows[rfc_1042]] += 8


def _ipv4(data: bytes, end: Positions, columns: Columns) -> None:
    l3 = columns["l3_offset"]
    rows = np.flatnonzero((columns["ethertype"] == ethertypes.IPV4) & (l3 + 20 <= end))
    head = _gather(data, l3[rows], _IPV4)
    length = (head["head"] & 0x0F).astype(np.int64) * 4
    good = (head["head"] >> 4 == 4) & (length >= 20)
    rows, head, length = rows[good], head[good], length[good]
    columns["ip_version"][rows] = 4
    for name, field in (
        ("ip_length", "total"),
        ("ip_id", "id"),
        ("ttl", "ttl"),
        ("protocol", "protocol"),
        ("source_low", "src"),
        ("destination_low", "dst"),
    ):
        columns[name][rows] = head[field]
    fragment = head["fragment"].astype(np.uint16)
    columns["dont_fragment"][rows] = fragment & 0x4000 != 0
    columns["more_fragments"][rows] = fragment & 0x2000 != 0
    columns["fragment_offset"][rows] = (fragment & 0x1FFF) * 8
    l4 = l3[rows] + length
    columns["l4_offset"][rows] = np.where((fragment & 0x1FFF == 0) & (l4 <= end[rows]), l4, 0)


def _ipv6(data: bytes, end: Positions, columns: Columns) -> None:
    l3 = columns["l3_offset"]
    rows = np.flatnonzero((columns["ethertype"] == ethertypes.IPV6) & (l3 + 40 <= end))
    head = _gather(data, l3[rows], _IPV6)
    good = head["head"] >> 28 == 6
    rows, head = rows[good], head[good]
    columns["ip_version"][rows] = 6
    columns["ip_length"][rows] = head["payload"].astype(np.uint32) + 40
    columns["ttl"][rows] = head["limit"]
    columns["protocol"][rows] = head["next"]
    for name, field in (("source", "src"), ("destination", "dst")):
        columns[f"{name}_high"][rows] = head[field][:, 0]
        columns[f"{name}_low"][rows] = head[field][:, 1]
    columns["dont_fragment"][rows] = True
    l4 = columns["l4_offset"]
    l4[rows] = l3[rows] + 40
    for _ in range(_MAX_EXTENSIONS):
        rows = rows[np.isin(columns["protocol"][rows], _EXTENSIONS) & (l4[rows] > 0)]
        if not len(rows):
            return
        _extension(data, end, rows, columns)


def _extension(data: bytes, end: Positions, rows: NDArray[Any], columns: Columns) -> None:
    """Step over one IPv6 extension header of each of `rows`; no transport header behind a later fragment."""
    l4, protocol = columns["l4_offset"], columns["protocol"]
    short = l4[rows] + 8 > end[rows]
    l4[rows[short]] = 0
    rows = rows[~short]
    head = _gather(data, l4[rows], _EXTENSION)
    kind = protocol[rows]
    size = np.where(kind == 51, (head["size"].astype(np.int64) + 2) * 4, (head["size"].astype(np.int64) + 1) * 8)
    is_fragment = kind == 44
    l4[rows] += np.where(is_fragment, 8, size)
    protocol[rows] = head["next"]
    part, words = rows[is_fragment], head["fragment"][is_fragment].astype(np.uint16)
    columns["fragment_offset"][part] = words & 0xFFF8
    columns["more_fragments"][part] = words & 1 != 0
    columns["ip_id"][part] = head["id"][is_fragment]
    l4[part[words & 0xFFF8 != 0]] = 0
    l4[rows[l4[rows] > end[rows]]] = 0


def _transport(data: bytes, end: Positions, columns: Columns) -> None:
    l4, protocol = columns["l4_offset"], columns["protocol"]
    rows = np.flatnonzero((l4 > 0) & (l4 + 8 <= end))
    head = _gather(data, l4[rows], _L4)
    kind = protocol[rows]
    ported = np.isin(kind, _WITH_PORTS)
    columns["source_port"][rows[ported]] = head["a"][ported]
    columns["destination_port"][rows[ported]] = head["b"][ported]
    is_icmp = (kind == 1) | (kind == 58)
    icmp, word = rows[is_icmp], head["a"][is_icmp]
    columns["icmp_type"][icmp] = word >> 8
    columns["icmp_code"][icmp] = word & 0xFF
    echo = np.isin(columns["icmp_type"][icmp], (0, 8)) & (protocol[icmp] == 1)
    echo |= np.isin(columns["icmp_type"][icmp], (128, 129)) & (protocol[icmp] == 58)
    columns["icmp_id"][icmp[echo]] = head["c"][is_icmp][echo]
    tcp = (kind == 6) & (l4[rows] + 20 <= end[rows])
    columns["tcp_flags"][rows[tcp]] = head["offset_flags"][tcp] & 0x01FF


def _flows(data: bytes, end: Positions, columns: Columns) -> None:
    """The flow marker at the place where it lies in the frame's protocol."""
    l4, protocol = columns["l4_offset"], columns["protocol"]
    behind = np.zeros(256, dtype=np.int64)
    behind[list(OFFSETS)] = list(OFFSETS.values())
    rows = np.flatnonzero((l4 > 0) & (l4 < end))
    at = l4[rows] + behind[protocol[rows]]
    tcp = protocol[rows] == 6
    segment = np.minimum(l4[rows[tcp]] + 12, len(data) - 1)
    at[tcp] = l4[rows[tcp]] + (np.frombuffer(data, dtype=np.uint8)[segment] >> 4).astype(np.int64) * 4
    fits = at + _MARK.itemsize <= end[rows]
    rows, at = rows[fits], at[fits]
    mark = _gather(data, at, _MARK)
    ours = mark["magic"] == _MAGIC
    columns["flow"][rows[ours]] = mark["flow"][ours]


def _tunnels(data: bytes, end: Positions, columns: Columns) -> None:
    """VXLAN: the network identifier, and the flow that the inner frame belongs to."""
    l4 = columns["l4_offset"]
    candidates = (columns["protocol"] == 17) & (l4 > 0) & (l4 + 16 <= end)
    rows = np.flatnonzero(candidates & np.isin(columns["destination_port"], VXLAN_PORTS))
    head = _gather(data, l4[rows] + 8, _VXLAN)
    valid = head["flags"] >> 24 & 0x08 != 0
    rows, head = rows[valid], head[valid]
    if not len(rows):
        return
    columns["vni"][rows] = (head["vni"] >> 8).astype(np.int32)
    inside = decode(data, l4[rows] + 16, end[rows], np.full(len(rows), LINK_ETHERNET), inner=True)
    columns["inner_flow"][rows] = inside["flow"]
