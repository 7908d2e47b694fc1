"""What stands around a PDU in a captured frame: addresses, VLAN tags, EtherType or LLC and SNAP, padding, an FCS.

The decoders of ARP, Neighbor Discovery, RARP, LLDP, the slow protocols and spanning trees all read a frame through this
view, so that each of them sees the same frame whatever is around it, and however it was captured.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from struct import unpack_from
from typing import Final
from zlib import crc32

from conformance.protocols import ethertypes
from conformance.protocols.mac import mac_text

ETHERNET: Final = 1
COOKED: Final = 113
COOKED_2: Final = 276
"""Link types of a capture (the tcpdump group's registry): Ethernet, and Linux's "any" device in two versions, which
keeps the source and the protocol of a frame and drops its destination."""
LEAST_PAYLOAD: Final = 46
"""Octets that the payload of an untagged frame is padded to (IEEE 802.3-2018 §3.2.8)."""

_TAGS: Final = (*ethertypes.TAGS, ethertypes.OLD_TAG)
_MOST_TAGS: Final = 8
_LLC: Final = 3
_SNAP: Final = 8
_RFC_1042: Final = b"\0\0\0"
"""The organisation of SNAP that says that an EtherType follows (RFC 1042)."""
_COOKED_LLC: Final = 0x0004
"""LINUX_SLL_P_802_2: what follows a cooked header is an LLC header."""
_LEAST_WITH_FCS: Final = 64


@dataclass(frozen=True, slots=True)
class Tag:
    """A VLAN tag: its EtherType, and its tag control information of 16 bits."""

    kind: int
    control: int

    @property
    def vlan(self) -> int:
        """The VLAN identifier, 0 in a priority tag (IEEE 802.1Q-2018 Table 9-2)."""
        return self.control & 0x0FFF


@dataclass(frozen=True, slots=True)
class Envelope:
    """A frame around its payload. `destination` is None where the capture does not have it.

    `ethertype` is that behind all tags and a SNAP header, 0 where an LLC header stands in its place. `length` is the
    length field of such a frame as it was sent, None where there is none. `payload` reaches from behind all headers to
    the end of the frame, padding included, a right FCS not (`checked` says that there was one).
    """

    destination: bytes | None
    source: bytes
    tags: tuple[Tag, ...]
    ethertype: int
    length: int | None
    llc: bytes
    snap: bool
    payload: bytes
    checked: bool

    @property
    def vlans(self) -> tuple[int, ...]:
        """The VLANs that the frame belongs to, the outer first; none of an untagged or priority-tagged frame."""
        return tuple(tag.vlan for tag in self.tags if tag.vlan)

    def unlike(self, groups: Collection[bytes]) -> list[str]:
        """What is wrong with the addresses of an untagged PDU for one of `groups`, in words."""
        found = []
        if self.destination is not None and self.destination not in groups:
            found.append(f"sent to {mac_text(self.destination)}")
        if self.source[:1] and self.source[0] & 1:
            found.append(f"sent from the group address {mac_text(self.source)}")
        if self.tags:
            found.append(tag_words(self.tags))
        return found


def tag_words(tags: tuple[Tag, ...]) -> str:
    """Tags in words: a priority tag has no VLAN."""
    each = [f"VLAN {tag.vlan}" if tag.vlan else "a priority tag" for tag in tags]
    return f"tagged with {' and '.join(each)}"


def read(frame: bytes, link: int = ETHERNET) -> Envelope:
    """The view of a frame of any length, captured with a header of type `link`. Never raises; what is cut is empty."""
    if link == COOKED:
        return _payload(None, frame[6:12], (), _number(frame, 14), frame[16:], cooked=True)
    if link == COOKED_2:
        return _payload(None, frame[12:18], (), _number(frame, 0), frame[20:], cooked=True)
    checked = len(frame) >= _LEAST_WITH_FCS and crc32(frame[:-4]) == int.from_bytes(frame[-4:], "little")
    whole = frame[:-4] if checked else frame
    return _payload(frame[:6], frame[6:12], (), _number(whole, 12), whole[14:], checked=checked)


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big") if len(data) >= at + 2 else 0


def _payload(
    destination: bytes | None,
    source: bytes,
    tags: tuple[Tag, ...],
    kind: int,
    rest: bytes,
    *,
    cooked: bool = False,
    checked: bool = False,
) -> Envelope:
    """The rest of the view from the EtherType `kind` and what is behind it."""
    while kind in _TAGS and len(rest) >= 4 and len(tags) < _MOST_TAGS:
        control, following = unpack_from("!HH", rest)
        tags, kind, rest = (*tags, Tag(kind, control)), following, rest[4:]
    length = kind if not cooked and kind <= ethertypes.LONGEST_LENGTH else None
    if length is None and not (cooked and kind == _COOKED_LLC):
        return Envelope(destination, source, tags, kind, None, b"", False, rest, checked)
    llc = rest[:_LLC]
    if rest[: _LLC + 3] == ethertypes.LLC_SNAP + _RFC_1042 and _number(rest, 6) > ethertypes.LONGEST_LENGTH:
        return Envelope(destination, source, tags, _number(rest, 6), length, llc, True, rest[_SNAP:], checked)
    return Envelope(destination, source, tags, 0, length, llc, False, rest[_LLC:], checked)
