"""What a recording tells of its course beside the frames: places in order, events as marks, windows as spans."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.recording.model import Event, Record
from conformance.report.sequence import Mark, Span

QUIET = frozenset({"watched"})
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
    """The events between two moments (both in ns since the recording began), or all of them."""
    for event in record.events:
        time = event.time_ns - record.started_ns
        early = since_ns is not None and time < since_ns
        late = until_ns is not None and time > until_ns
        if event.kind not in QUIET and not early and not late:
            yield Mark(time, event_text(event), event.where)


def spans(record: Record) -> Iterator[Span]:
    """The windows in which something was watched for, and the time in which a moved endpoint was not heard of."""
    for window in record.windows:
        yield Span(window.start_ns - record.started_ns, window.end_ns - record.started_ns, f"window: {window.name}")


def event_text(event: Event) -> str:
    """An event in a few words."""
    told = [f"{key} {value}" for key, value in event.detail.items() if isinstance(value, str | int) and value != ""]
    return " ".join([event.kind.replace("-", " "), *told][:4])
