"""The control of what is judged on ports: the plain cables, tried in the same lab before the implementation was there.

As for workloads a plain wire is judged first, so here: where a lab's cables do not carry what is sent to reserved
addresses, once and to their own ends alone, nothing that is missing or doubled later is the implementation's doing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from conformance.protocols import ethertypes
from conformance.recording.events import MalformedEventError, events_in
from conformance.recording.events.links import CablePlain
from conformance.recording.store import Recording
from conformance.verdict import Attempt, Judgement, Outcome, Verdict

CONTROL: Final = "lab.plain-cables"
"""What the control is called among the outcomes of the plain wire; no requirement on any implementation."""
EXPECTED: Final = "what is sent into a plain cable comes out of its other end, once, and of no other cable"


def control_failure(recording: Recording) -> str | None:
    """What was wrong with the plain cables of a recording, in one sentence: None where nothing was, or there are none.

    By the partners' taps where that is where a frame had to come in; else by what was heard at the port.
    """
    if CONTROL not in recording.memory:
        recording.memory[CONTROL] = _first(recording)
    found: str | None = recording.memory[CONTROL]
    return found


def _first(recording: Recording) -> str | None:
    try:
        return next(_problems(recording), None)
    except MalformedEventError as problem:
        return str(problem)


def outcome(recording: Recording) -> Outcome | None:
    """The control's outcome in one recording; None where no plain cable was tried."""
    record = recording.record
    if not any(row.kind == CablePlain.kind for row in record.events):
        return None
    wrong = control_failure(recording) if recording.damage is None else recording.damage
    made = Judgement(Verdict.PASS if wrong is None else Verdict.INCONCLUSIVE, EXPECTED, wrong or "so on every cable")
    where = (("attempt", str(record.attempt)), ("scenario", record.scenario), ("testbed", record.testbed.name))
    return Outcome(CONTROL, "SUITE", where, (Attempt(1, made),))


def _problems(recording: Recording) -> Iterator[str]:
    events = list(events_in(recording.record, CablePlain))
    seen = _on_taps(recording, events)
    partners = {tap.name for tap in recording.record.taps if tap.role == "partner"}
    for event in events:
        for group, nonce in event.nonces.items():
            found = seen[nonce] if event.where in partners else Counter(event.heard[group])
            if dict(found) != {event.where: 1}:
                shown = ", ".join(f"{tap} ({count} times)" for tap, count in sorted(found.items())) or "nowhere"
                yield f"a frame to {group} from {event.source} to {event.where} came out at {shown}"
            elif event.where not in partners and (left := set(seen[nonce]) - {event.source}):
                yield f"a frame to {group} from {event.source} went to {', '.join(sorted(left))} as well"


def _on_taps(recording: Recording, events: list[CablePlain]) -> dict[str, Counter[str]]:
    """By nonce, how often each partner's tap saw a frame come in, or leave where it was not sent there."""
    nonces = {nonce: event for event in events for nonce in event.nonces.values()}
    found: dict[str, Counter[str]] = {nonce: Counter() for nonce in nonces}
    frames = recording.frames
    partners = {tap.number for tap in recording.record.taps if tap.role == "partner"}
    for row, frame in frames.frames(frames.select(ethertype=ethertypes.EXPERIMENT)):
        nonce = frame[14:30].hex()
        tap = frames.taps[frames.tap[row]]
        if nonce in found and int(frames.tap[row]) in partners and nonces[nonce].source != tap:
            found[nonce][tap] += 1
    return found
