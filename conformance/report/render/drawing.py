"""The picture of a time sequence, as SVG: places are lines, packets arrows, events marks, a blackout is shaded."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Final

from conformance.report.render.text import one_line
from conformance.report.sequence import Hop, Mark, Packet, Span, TimeSequence

LEFT: Final = 86
"""Room for the times."""
RIGHT: Final = 76
"""Room for the frame numbers."""
LANE: Final = 132
TOP: Final = 44
SLOPE: Final = 5
LABELLED: Final = 34
PLAIN: Final = 17
GAP_NS: Final = 20_000_000
"""A longer pause between two rows is shown as one."""
LONGEST: Final = 58
"""Characters of a label."""


def draw(sequence: TimeSequence, title: str, *, standalone: bool = False) -> str:
    """The SVG of a sequence. `standalone` brings its own style; otherwise that of the page applies."""
    canvas = _Canvas(sequence)
    canvas.draw()
    width, height = canvas.width, canvas.y + 14
    style = f"<style>{_style()}</style>" if standalone else ""
    name = ' xmlns="http://www.w3.org/2000/svg"' if standalone else ""
    lanes = "".join(_lanes(sequence.lanes, canvas.y + 4))
    return (
        f'<svg{name} class="sequence" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
        f"<title>{_safe(title)}</title>{style}{''.join(canvas.below)}{lanes}{''.join(canvas.above)}</svg>"
    )


@functools.cache
def _style() -> str:
    folder = files("conformance.report.render") / "templates"
    return "".join((folder / name).read_text(encoding="utf-8") for name in ("colours.css", "sequence.css"))


def _lanes(names: Sequence[str], bottom: int) -> Iterator[str]:
    for number, name in enumerate(names):
        x = _x(number)
        yield f'<path class="lane" d="M{x} {TOP - 10}V{bottom}"/>'
        yield f'<rect class="place" x="{x - 44}" y="8" width="88" height="24" rx="6"/>'
        yield f'<text class="name" x="{x}" y="25">{_safe(name[:14])}</text>'


def _x(lane: int) -> int:
    return LEFT + 62 + lane * LANE


@dataclass
class _Canvas:
    """Rows from top to bottom; `y` is where the next one begins."""

    sequence: TimeSequence
    y: int = TOP
    below: list[str] = field(default_factory=list)
    above: list[str] = field(default_factory=list)
    _last_ns: int | None = None
    _places: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lanes = {name: _x(number) for number, name in enumerate(self.sequence.lanes)}
        self.width = LEFT + max(len(self.lanes), 2) * LANE + RIGHT - 24
        times = [packet.first.time_ns for packet in self.sequence.packets if packet.first.time_ns is not None]
        times += [mark.time_ns for mark in self.sequence.marks]
        self.start = min(times, default=None)

    def draw(self) -> None:
        """All rows in the order of time, then the spans behind them."""
        rows: list[tuple[int, int, Packet | Mark | Span]] = []
        rows += [(packet.first.time_ns or 0, 2, packet) for packet in self.sequence.packets]
        rows += [(mark.time_ns, 0, mark) for mark in self.sequence.marks]
        rows += [(span.start_ns, 1, span) for span in self.sequence.spans]
        for time, _, row in sorted(rows, key=lambda each: each[:2]):
            self._pause(time)
            match row:
                case Packet():
                    self._packet(row)
                case Mark():
                    self._mark(row)
                case Span():
                    self._heading(row)
        for span in self.sequence.spans:
            self._shade(span)

    def _pause(self, time_ns: int) -> None:
        if self._last_ns is not None and time_ns - self._last_ns > GAP_NS:
            middle = self.y + 12
            for x in self.lanes.values():
                self.above.append(f'<path class="pause" d="M{x} {middle - 9}V{middle + 9}"/>')
            self._text("later", LEFT - 10, middle + 4, f"{duration(time_ns - self._last_ns)} later")
            self.y += 26
        self._last_ns = time_ns
        self._places.append((time_ns, self.y))

    def _packet(self, packet: Packet) -> None:
        first = packet.first
        if first.time_ns is not None and self.start is not None:
            self._text("time", LEFT - 10, self.y + LABELLED - 18, f"+{duration(first.time_ns - self.start)}")
        hops = list(_hops(packet))
        if not hops:
            self._lone(first)
        for near, far in hops:
            self._hop(near, far, labelled=near is hops[0][0])
        if packet.observations[-1].time_ns is not None:
            self._last_ns = packet.observations[-1].time_ns
        self.y += 5

    def _lone(self, one: Hop) -> None:
        x, y = self.lanes[one.lane], self.y + LABELLED - 8
        self._text("label", _kept(x, self.width), y - 9, _label(one))
        self.above.append(f'<circle class="dot" cx="{x}" cy="{y}" r="4"/>')
        self._numbers(y, one.number)
        self.y += LABELLED

    def _hop(self, near: Hop, far: Hop, *, labelled: bool) -> None:
        changed = far.ends != near.ends and bool(far.ends[0])
        rewrapped = far.tunnel != near.tunnel
        told = labelled or changed or rewrapped
        self.y += LABELLED + 15 * (labelled and changed) if told else PLAIN
        begin, end, y = self.lanes[near.lane], self.lanes[far.lane], self.y - 8
        kind = "changed" if changed else "wrapped" if far.tunnel else ""
        if begin == end:
            d = f"M{begin} {y - 4}h26v9h-22"
            tip, direction = begin, -1
        else:
            direction = 1 if end > begin else -1
            tip = end
            d = f"M{begin} {y}L{end - 6 * direction} {y + SLOPE - 0.4}"
        self.above.append(f'<path class="hop {kind}" d="{d}"/>')
        head = f"M{tip} {y + SLOPE}l{-9 * direction} -4.4v8z"
        self.above.append(f'<path class="head {kind}" d="{head}"/><circle class="dot" cx="{begin}" cy="{y}" r="2.6"/>')
        if told:
            text = _label(near) if labelled and not changed else f"now {_label(far)}"
            if labelled and changed:
                self._text("label", _kept((begin + end) // 2, self.width), y - 21, _label(near))
            self._text(f"label {kind}", _kept((begin + end) // 2, self.width), y - 6, text)
        self._numbers(y, near.number, far.number)

    def _mark(self, mark: Mark) -> None:
        y = self.y + 14
        right = self.width - RIGHT + 10
        self.above.append(f'<path class="event" d="M{LEFT} {y}H{right}"/>')
        if self.start is not None:
            self._text("time", LEFT - 10, y + 4, f"+{duration(mark.time_ns - self.start)}")
        text = mark.text if mark.lane in self.lanes or not mark.lane else f"{mark.lane}: {mark.text}"
        x = self.lanes.get(mark.lane, (LEFT + right) // 2)
        if mark.lane in self.lanes:
            self.above.append(f'<path class="diamond" d="M{x} {y - 6}l6 6l-6 6l-6 -6z"/>')
        self._text("event-text", _kept(x, self.width), y - 8, text[:LONGEST])
        self.y += 28

    def _heading(self, span: Span) -> None:
        kind = "blackout" if span.blackout else "window"
        self._text(f"{kind}-text", self.width - RIGHT + 4, self.y + 14, span.text)
        self.y += 20

    def _shade(self, span: Span) -> None:
        top = next((y for time, y in self._places if time >= span.start_ns), self.y)
        bottom = next((y for time, y in self._places if time > span.end_ns), self.y)
        kind, width = "blackout" if span.blackout else "window", self.width - RIGHT + 10 - LEFT
        self.below.append(
            f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{width}" height="{max(bottom - top, 20)}"/>'
        )

    def _numbers(self, y: int, *numbers: int) -> None:
        text = "–".join(map(str, dict.fromkeys(numbers)))
        self._text("frame", self.width - 6, y + 5, text)

    def _text(self, kind: str, x: int, y: int, text: str) -> None:
        self.above.append(f'<text class="{kind}" x="{x}" y="{y}">{_safe(text)}</text>')


def _hops(packet: Packet) -> Iterator[tuple[Hop, Hop]]:
    """From where to where, without the steps between interfaces of one place that changed nothing."""
    for near, far in zip(packet.observations, packet.observations[1:], strict=False):
        same = (near.ends, near.tunnel) == (far.ends, far.tunnel)
        turned = near.macs == far.macs[::-1]
        if near.lane != far.lane or not same or turned:
            yield near, far


def _safe(text: str) -> str:
    """Text of others as XML may hold it."""
    return escape(one_line(text))


def _label(one: Hop) -> str:
    """What a packet is, in few words."""
    source, destination = one.ends
    ends = f"{source} → {destination}" if source else one.detail
    kind = one.protocol if source else ""
    word = one.detail.split(" ")[0] if one.protocol.startswith("ICMP") else ""
    wrapped = f"[{one.tunnel}] " if one.tunnel else ""
    text = wrapped + " ".join(filter(None, [kind, word, ends]))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _kept(x: int, width: int) -> int:
    """The middle of a label, so far from the edges that it stays inside."""
    half = 176
    return max(LEFT + half - 60, min(x, width - half)) if width > 2 * half else width // 2


def duration(nanoseconds: int) -> str:
    """A time in the unit that reads best."""
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        value = nanoseconds / size
        if abs(value) >= 0.9995:
            return f"{value:.3g} {unit}" if abs(value) < 999.5 else f"{value:.0f} {unit}"
    return f"{nanoseconds} ns" if nanoseconds else "0"
