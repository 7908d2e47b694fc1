"""The trace of one recording: what its checks say of it, and the frames that decide, as a time sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from conformance.errors import UsageError
from conformance.judging.case import Case, judge
from conformance.judging.checks import checks
from conformance.protocols import ethertypes, ndp
from conformance.recording.store import Recording
from conformance.report.render.drawing import duration
from conformance.report.sequence import Packet, TimeSequence, sequence_of
from conformance.requirement import Requirement
from conformance.showing import timeline
from conformance.verdict import Judgement, Verdict

SHOWN: Final = 24
"""Frames of a sequence, unless they are named."""
AROUND_NS: Final = 1_000_000_000
"""Events that long before and after the frames are shown with them."""
PROBES: Final = 8
"""Frames of a stream on each side of its outage."""
_CONTROL: Final = (ethertypes.ARP, ethertypes.RARP, ethertypes.LLDP, ethertypes.SLOW_PROTOCOLS)
"""ARP, RARP, LLDP and the slow protocols: what an implementation says on its own."""
_DISCOVERY: Final = (*ndp.NEEDED, ndp.REDIRECT)


@dataclass(frozen=True)
class Said:
    """One judgement that a check of the recording's scenario reached."""

    requirement: Requirement
    parameters: dict[str, str]
    judgement: Judgement


def judged(recording: Recording) -> list[Said]:
    """What every check of this scenario says of the recording."""
    found = []
    for check in checks():
        if check.scenario == recording.record.scenario:
            for parameters in check.instances(recording.record.profile):
                case = Case(recording, {**parameters, "testbed": recording.record.testbed.name})
                found.append(Said(check.requirement, dict(case.parameters), judge(check.function, case)))
    return found


def chosen(recording: Recording, said: Sequence[Said], only: str = "") -> tuple[str, list[int]]:
    """Why which frames are shown: those that decide the first failure (of `only`), else what was said unasked.

    Raises UsageError where no check of this scenario decides `only`.
    """
    wanted = [each for each in said if only in ("", each.requirement.id, each.requirement.family)]
    if not wanted and only:
        known = ", ".join(dict.fromkeys(each.requirement.id for each in said)) or "none"
        raise UsageError(f"--only {only}: no check of this scenario decides it; these are decided here: {known}")
    for each in wanted:
        evidence = each.judgement.evidence
        if each.judgement.verdict is Verdict.FAIL and evidence and evidence[0].frames:
            return f"{each.requirement.id} fails: {each.judgement.seen}", list(evidence[0].frames)[:SHOWN]
    if recording.record.moves and (found := around_a_blackout(recording)):
        return "the longest blackout of a move, and what was said of addresses meanwhile", found
    return "address resolution, discovery and control frames", unasked(recording)[:SHOWN]


def around_a_blackout(recording: Recording) -> list[int]:
    """Numbers of the probes before and after the longest outage of a stream, with the announcements in between."""
    index, found = recording.frames, []
    outages = [(stream, outage) for stream in recording.record.streams if (outage := timeline.longest(stream))]
    if not outages:
        return []
    stream, outage = max(outages, key=lambda each: each[1].end_ns - each[1].start_ns)
    rows = index.rows_of_flow(stream.flow)
    before = rows[index.time_ns[rows] < outage.start_ns][-PROBES:]
    after = rows[index.time_ns[rows] >= outage.end_ns][:PROBES]
    span = (outage.start_ns, outage.end_ns)
    said = [row for row in index.select(ethertype=_CONTROL, between=span) if index.ethertype[row] != ethertypes.IPV4]
    said += index.select(icmp_type=ndp.ADVERTISEMENT, between=span).tolist()
    for part in (before.tolist(), sorted(said)[: SHOWN - 2 * PROBES], after.tolist()):
        found += [int(row) + 1 for row in part]
    return found


def unasked(recording: Recording) -> list[int]:
    """Numbers of the frames by which stations and devices speak on their own, each once for its first tap."""
    index = recording.frames
    rows = sorted({*index.select(ethertype=_CONTROL).tolist(), *index.select(icmp_type=_DISCOVERY).tolist()})
    return [row + 1 for row in rows if index.ethertype[row] != ethertypes.IPV4]


def numbers_of_flow(recording: Recording, flow: int) -> list[int]:
    """The frames of one flow. Raises UsageError where there is none."""
    rows = recording.frames.rows_of_flow(flow)
    if not len(rows):
        raise UsageError(f"--flow {flow}: no frame carries this flow; flows are numbered from 1 in recording.json")
    return [int(row) + 1 for row in rows]


def sequence(recording: Recording, numbers: Sequence[int]) -> TimeSequence:
    """The time sequence of these frames, with the events around them. Raises UsageError for a number out of range."""
    from conformance.protocols.summary import one_line

    index, record = recording.frames, recording.record
    for number in numbers:
        if not 1 <= number <= len(index):
            raise UsageError(f"--frames {number}: the recording has frames 1 to {len(index)}")
    rows = sorted({number - 1 for number in numbers})
    lines = [
        f"{row + 1} {index.taps[index.tap[row]]} {one_line(index.frame(row), link=index.link_type(row))}"
        for row in rows
    ]
    times = [int(index.time_ns[row]) - record.started_ns for row in rows]
    since, until = (min(times) - AROUND_NS, max(times) + AROUND_NS) if times else (0, 0)
    spans = [span for span in timeline.spans(record, lines) if span.start_ns <= until and span.end_ns >= since]
    marks = timeline.marks(record, since, until)
    return sequence_of(lines, times, marks=marks, spans=spans, lanes=timeline.lanes(record))


def lines(found: TimeSequence) -> Iterator[str]:
    """The sequence as text: one line for a packet, with the way that it took and what became of it."""
    rows: list[tuple[int, int, str]] = [(packet.first.time_ns or 0, 1, _packet(packet)) for packet in found.packets]
    rows += [(mark.time_ns, 0, f"-- {mark.lane} {mark.text}".rstrip()) for mark in found.marks]
    rows += [(span.start_ns, 0, f"== {span.text}, {duration(span.end_ns - span.start_ns)}") for span in found.spans]
    start = min((time for time, _, _ in rows), default=0)
    for time, _, text in sorted(rows):
        yield f"{'+' + duration(time - start):>10}  {text}"


def _packet(packet: Packet) -> str:
    way = " > ".join(dict.fromkeys(each.lane for each in packet.observations))
    numbers = ",".join(map(str, packet.numbers))
    told = replace(packet.first).text
    changes = [
        f"{far.lane}: {far.ends[0]} > {far.ends[1]}"
        for near, far in zip(packet.observations, packet.observations[1:], strict=False)
        if far.ends != near.ends
    ]
    return f"{way}  [{numbers}] {told}" + "".join(f"; at {change}" for change in changes)
