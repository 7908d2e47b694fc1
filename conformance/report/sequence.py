"""Time sequences: deciding frames as packets that travel from place to place, read from their one-line texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(
    r"(?P<number>\d+) (?P<tap>\S+) (?:(?P<near>[0-9a-f:]{17}) > (?P<far>[0-9a-f:]{17}) )?(?P<text>.*)"
)
_ENDS: Final = re.compile(
    r"(?P<protocol>IP protocol \d+|[A-Za-z0-9]+) (?P<source>\S+) > (?P<destination>\S+) (?P<detail>.*)"
)
_INNER: Final = re.compile(r"VXLAN vni (?P<vni>\d+) \{ (?:\S+ > \S+ )?(?P<text>.*) \}")
_FLOW: Final = re.compile(r"\bflow (\d+)")
_KIND: Final = re.compile(r"\bdata \d+|\becho-\w+")
_HOPS_LEFT: Final = re.compile(r" ?\b(?:ttl|hlim) \d+")
_SIZE: Final = re.compile(r", \d+ bytes$")
_SENT_AGAIN_NS: Final = 200_000_000
"""A frame with the same content, so much later, is another packet: no path in a lab takes that long."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One frame on one tap: `lane` is the place of the tap, `text` what the frame says without its MAC addresses.

    `ends` are the addresses of the (innermost) packet, empty where it has none. `tunnel` names an encapsulation.
    `time_ns` counts from the recording's beginning; None where that is not known.
    """

    number: int
    tap: str
    text: str
    macs: tuple[str, str] = ("", "")
    protocol: str = ""
    ends: tuple[str, str] = ("", "")
    detail: str = ""
    tunnel: str = ""
    time_ns: int | None = None

    @property
    def lane(self) -> str:
        """The namespace that the tap looks into: a host, an endpoint, the rack, the client."""
        return self.tap.partition(":")[0]

    @property
    def content(self) -> str:
        """What stays the same on every tap that the packet passes, whatever is rewritten or wrapped around it."""
        flow, kind = _FLOW.search(self.text), _KIND.search(self.text)
        if flow:
            return f"flow {flow[1]} {kind[0] if kind else ''}"
        return _HOPS_LEFT.sub("", f"{self.protocol} {self.detail}" if self.protocol else self.text)


@dataclass(frozen=True, slots=True)
class Packet:
    """The observations of one packet, in the order in which it passed the taps."""

    observations: tuple[Hop, ...]

    @property
    def first(self) -> Hop:
        """Where it was seen first."""
        return self.observations[0]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The frame numbers."""
        return tuple(each.number for each in self.observations)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a moment, not a frame; `lane` may be empty."""

    time_ns: int
    text: str
    lane: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time; a `blackout` is one in which nothing came through."""

    start_ns: int
    end_ns: int
    text: str
    blackout: bool = False


@dataclass(frozen=True)
class TimeSequence:
    """What a picture shows: lanes from left to right, packets by time, marks and spans."""

    lanes: tuple[str, ...]
    packets: tuple[Packet, ...]
    marks: tuple[Mark, ...] = ()
    spans: tuple[Span, ...] = ()


def parse(line: str, time_ns: int | None = None) -> Hop | None:
    """A observation from a line of evidence (``number tap text``); None where it is not such a line."""
    found = _LINE.fullmatch(line.strip())
    if found is None:
        return None
    text = found["text"]
    inner, tunnel = _SIZE.sub("", text), ""
    wrapped = _INNER.search(inner)
    if wrapped:
        inner, tunnel = wrapped["text"], f"VXLAN {wrapped['vni']}"
    parts = _ENDS.fullmatch(inner)
    return Hop(
        number=int(found["number"]),
        tap=found["tap"],
        text=text,
        macs=(found["near"] or "", found["far"] or ""),
        protocol=parts["protocol"] if parts else "",
        ends=(parts["source"], parts["destination"]) if parts else ("", ""),
        detail=parts["detail"] if parts else inner,
        tunnel=tunnel,
        time_ns=time_ns,
    )


def sequence_of(
    lines: Sequence[str],
    times: Sequence[int] = (),
    *,
    marks: Iterable[Mark] = (),
    spans: Iterable[Span] = (),
    lanes: Sequence[str] = (),
) -> TimeSequence:
    """The time sequence of decoded frames.

    `times` are those of the lines in ns, or empty where nobody knows them: then the lines' order is the order. `lanes`
    are wanted in that order; those that no frame was seen at are left out, and marks at them; others follow in the
    order of appearance.
    """
    known = times if len(times) == len(lines) else [None] * len(lines)
    parsed = [parse(line, time) for line, time in zip(lines, known, strict=True)]
    seen = sorted(filter(None, parsed), key=lambda each: (each.time_ns or 0, each.number))
    packets = tuple(Packet(tuple(group)) for group in _packets(seen))
    used = dict.fromkeys(each.lane for packet in packets for each in packet.observations)
    about = [mark for mark in marks if not mark.lane or mark.lane in used]
    told = tuple(sorted(about, key=lambda mark: mark.time_ns))
    ordered = [lane for lane in lanes if lane in used]
    ordered += [lane for lane in used if lane not in ordered]
    return TimeSequence(tuple(ordered), packets, told, tuple(spans))


def _packets(seen: Iterable[Hop]) -> list[list[Hop]]:
    """The observations by packet; a packet passes a tap once, or twice where a station on the way turns it round."""
    found: list[list[Hop]] = []
    open_: dict[str, list[Hop]] = {}
    for each in seen:
        group = open_.get(each.content)
        if group is None or not _goes_on(group, each):
            group = open_[each.content] = []
            found.append(group)
        group.append(each)
    return found


def _goes_on(group: Sequence[Hop], each: Hop) -> bool:
    last = group[-1]
    if each.time_ns is not None and last.time_ns is not None and each.time_ns - last.time_ns > _SENT_AGAIN_NS:
        return False
    earlier = [one for one in group if one.tap == each.tap]
    turned = len(earlier) == 1 and earlier[0].macs == each.macs[::-1] and any(each.macs)
    return not earlier or turned
