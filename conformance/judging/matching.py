"""Which packet that arrived is which packet that was sent, for all flows of a recording at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conformance.judging.packet_fields import TCP, Numbers, Packets, mixed
from conformance.recording.index import FrameIndex

_RANK: Final = 0x5DEECE66D
_KEPT: Final = ("DSCP", "ECN", "flow label", "don't fragment", "identification", "IP options")
_NONE: Final = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Matches:
    """Pairs of positions among the packets that were sent and that arrived, and what has no counterpart.

    `same` says of each pair that all is equal behind the IP header but ports and checksum.
    `again` arrived more often than it was sent, `lost` never arrived, `unsent` was never sent. What was sent again and
    arrived once is in none of them, nor is TCP data that arrived in other segments than it was sent in.
    """

    sent: Numbers
    arrived: Numbers
    same: NDArray[np.bool_]
    again: Numbers
    lost: Numbers
    unsent: Numbers


def match(index: FrameIndex, sent: Packets, arrived: Packets) -> Matches:
    """Pair the packets of the same direction of the same flow.

    What is equal is paired first, in the order of frames: all but addresses, ports, hop limit and checksums; then what
    is equal behind the IP header; then what has the same body, then what has the same header, then the rest in its
    order.
    """
    keys = [
        (_whole(sent), _whole(arrived)),
        (_behind_ip(sent), _behind_ip(arrived)),
        (_bodies(sent), _bodies(arrived)),
        (_heads(sent), _heads(arrived)),
        (sent.leg, arrived.leg),
    ]
    left, right = np.arange(len(sent.rows)), np.arange(len(arrived.rows))
    pairs: list[tuple[Numbers, Numbers]] = []
    again = _NONE
    for turn, (near, far) in enumerate(keys):
        if turn == len(keys) - 1:
            left, right = _in_other_segments(index, sent, arrived, left, right)
        one, other = _paired(near[left], far[right])
        pairs.append((left[one], right[other]))
        left, right = np.delete(left, one), np.delete(right, other)
        if turn == 1:
            extra = np.isin(far[right], near)
            again, right = right[extra], right[~extra]
            left = left[~np.isin(near[left], far)]
    made = [np.concatenate(side) for side in zip(*pairs, strict=True)]
    same = np.arange(len(made[0])) < len(pairs[0][0]) + len(pairs[1][0])
    order = np.lexsort((arrived.rows[made[1]], sent.rows[made[0]]))
    return Matches(made[0][order], made[1][order], same[order], np.sort(again), left, right)


def _whole(these: Packets) -> Numbers:
    return mixed(_behind_ip(these), *(these.values[field] for field in _KEPT))


def _behind_ip(these: Packets) -> Numbers:
    return mixed(these.leg, these.header, these.body)


def _bodies(these: Packets) -> Numbers:
    """Keys by leg and body, and by the header where there is no body."""
    return mixed(these.leg, these.body, these.length, np.where(these.length > 0, 0, these.header))


def _heads(these: Packets) -> Numbers:
    return mixed(these.leg, these.header, these.length)


def _paired(near: Numbers, far: Numbers) -> tuple[Numbers, Numbers]:
    """Positions in both that have equal keys: the first of each key with the first, the second with the second."""
    one, other = (mixed(keys, _rank(keys) + _RANK) for keys in (near, far))
    _, left, right = np.intersect1d(one, other, assume_unique=True, return_indices=True)
    return left, right


def _rank(keys: Numbers) -> NDArray[np.int64]:
    """How many equal keys stand before each one."""
    if not len(keys):
        return _NONE
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    rank = np.empty(len(keys), dtype=np.int64)
    rank[order] = np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))
    return rank


def _in_other_segments(
    index: FrameIndex, sent: Packets, arrived: Packets, left: Numbers, right: Numbers
) -> tuple[Numbers, Numbers]:
    """What is left of both without TCP data that the other side has too, cut or joined otherwise: by a NIC that
    segments for its host, or by the sender that sends again."""
    tcp = [these.legs_with_data(index, places) for these, places in ((sent, left), (arrived, right))]
    wanted = tcp[0] & set(arrived.leg.tolist()) | tcp[1] & set(sent.leg.tolist())
    if not wanted:
        return left, right
    streams = [_streams(index, these, wanted) for these in (sent, arrived)]
    near = [place for place in left.tolist() if not _carried(index, sent, place, streams[1])]
    far = [place for place in right.tolist() if not _carried(index, arrived, place, streams[0])]
    return np.array(near, dtype=np.int64), np.array(far, dtype=np.int64)


Stream = dict[int, int]
"""The octets of one direction of a connection by their sequence numbers."""


def _streams(index: FrameIndex, these: Packets, wanted: set[int]) -> Mapping[int, Stream]:
    found: dict[int, Stream] = {}
    for place in np.flatnonzero(np.isin(these.leg, list(wanted)) & (these.length > 0)).tolist():
        first, data = _segment(index, int(these.rows[place]), int(these.length[place]))
        found.setdefault(int(these.leg[place]), {}).update(zip(range(first, first + len(data)), data, strict=True))
    return found


def _carried(index: FrameIndex, these: Packets, place: int, streams: Mapping[int, Stream]) -> bool:
    """Whether the other side has these octets at these sequence numbers."""
    stream = streams.get(int(these.leg[place]))
    if stream is None or not these.length[place] or index.protocol[these.rows[place]] != TCP:
        return False
    first, data = _segment(index, int(these.rows[place]), int(these.length[place]))
    return all(stream.get(first + number) == octet for number, octet in enumerate(data))


def _segment(index: FrameIndex, row: int, length: int) -> tuple[int, bytes]:
    """Sequence number and data of a TCP segment."""
    frame, l4 = index.frame(row), int(index.l4_offset[row])
    end = int(index.l3_offset[row]) + int(index.ip_length[row])
    return int.from_bytes(frame[l4 + 4 : l4 + 8], "big"), frame[end - length : end]
