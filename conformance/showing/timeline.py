"""What a recording tells of its trace beside the frames: places in order, events as marks, windows as spans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from conformance.recording.events.attaching import Watched
from conformance.recording.events.links import CablePlain
from conformance.recording.model import EventRow, Outage, Record, Stream
from conformance.report.render.drawing import duration
from conformance.report.sequence import Mark, Span

_FLOW: Final = re.compile(r"\bflow (\d+)")
QUIET: Final = frozenset({Watched.kind, CablePlain.kind})
"""Events of the lab's own work, which nobody asks for."""


def lanes(record: Record) -> tuple[str, ...]:
    """The places as they lie: the first host with its endpoints, the rack, the other hosts with theirs, the client."""
    mine: dict[str, list[str]] = {}
    for endpoint in record.endpoints:
        mine.setdefault(endpoint.host, []).append(endpoint.name)
    first, *others = list(mine) or [""]
    found = [*mine.get(first, ()), first, "rack"]
    for host in others:
        found += [host, *mine[host]]
    rest = [tap.where for tap in record.taps]
    return tuple(dict.fromkeys(name for name in (*found, *rest) if name))


def marks(record: Record, since_ns: int | None = None, until_ns: int | None = None) -> Iterator[Mark]:
    """The events and moves between two moments (both in ns since the recording began), or all of them."""
    for mark in _all_marks(record):
        early = since_ns is not None and mark.time_ns < since_ns
        late = until_ns is not None and mark.time_ns > until_ns
        if not early and not late:
            yield mark


def _all_marks(record: Record) -> Iterator[Mark]:
    begin = record.started_ns
    for event in record.events:
        if event.kind not in QUIET:
            yield Mark(event.time_ns - begin, event_text(event), event.where)
    for move in record.moves:
        words = f"{move.kind} of {move.endpoint} from {move.source} to {move.target}"
        yield Mark(move.started_ns - begin, f"{words} asked for", move.place_before)
        if move.done_ns:
            yield Mark(move.done_ns - begin, f"{words} done", move.place_after)


def spans(record: Record, lines: Iterable[str] = ()) -> Iterator[Span]:
    """The windows in which something was watched for, and of each stream that `lines` (decoded frames) show the longest
    time in which its probes were lost.
    """
    begin = record.started_ns
    for window in record.windows:
        yield Span(window.start_ns - begin, window.end_ns - begin, f"window: {window.name}")
    shown = {int(flow) for line in lines for flow in _FLOW.findall(line)}
    for stream in record.streams:
        outage = longest(stream)
        if outage is not None and stream.flow in shown:
            told = f"{stream.source} to {stream.endpoint}: blackout {duration(outage.end_ns - outage.start_ns)}"
            yield Span(outage.start_ns - begin, outage.end_ns - begin, told, blackout=True)


def longest(stream: Stream) -> Outage | None:
    """The longest outage of a stream."""
    return max(stream.outages, key=lambda each: each.end_ns - each.start_ns, default=None)


def event_text(event: EventRow) -> str:
    """An event in a few words."""
    told = [f"{key} {value}" for key, value in event.detail.items() if isinstance(value, str | int) and value != ""]
    return " ".join([event.kind.replace("-", " "), *told][:4])
