"""One alteration of a recording: what of, which field, how, and the edit that makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from itertools import islice
from typing import Final, Literal

from conformance.recording.index import FrameIndex
from conformance.recording.model import Answer, Flow, Record
from conformance.recording.store import Recording
from conformance.selftest.survey.delivery import DELIVERIES, Packet, deliveries
from conformance.selftest.survey.editing import Edit, joined
from conformance.selftest.survey.fields import Field
from conformance.selftest.survey.layouts import layout
from conformance.selftest.survey.sent import Sent
from conformance.selftest.survey.values import STALE, values, written

Extent = Literal["one", "every"]
GONE: Final = "gone"
OF_ALL: Final = (GONE, "doubled", "to a stranger", "retagged", "cut", "padded")
"""What is done to every packet of a kind."""
WHOLE: Final = "the packet"
"""Stands for the field where the packet itself is altered."""
_EARLIER: Final = 20
"""How many earlier frames are searched for a stale value."""


@dataclass(frozen=True)
class Alteration:
    """One thing that is altered. `subject` is what of (a kind of frame, or of row), `field` where, `how` in which way.

    `extent` is ``one`` frame, flow or row, or ``every`` one of its kind. `place` says which one it is, for people.
    `destroys`: what is altered is an observation of the suite's own, of which nothing is left, so that a verdict that
    becomes inconclusive has noticed it.
    """

    subject: str
    field: str
    how: str
    place: str
    edit: Callable[[], Edit | None]
    extent: Extent = "one"
    destroys: bool = False

    @property
    def stratum(self) -> tuple[str, str, str, str]:
        """What is one alteration to a reader, of whichever frame or row it is made."""
        return self.subject, self.field, self.how, self.extent


def of_frames(recording: Recording, sent: Sequence[Sent], chosen: Sequence[int]) -> Iterator[Alteration]:
    """The alterations of the chosen ones of all that was sent of one kind, and those of every one."""
    for place in chosen:
        for field, hows in _fields(recording, sent, place):
            for how, value in hows:
                yield _of_field(recording, (sent[place],), field.name, how, value)
                if place == chosen[0] and len(sent) > 1:
                    yield _of_field(recording, sent, field.name, how, value)
        yield from _of_packet(recording, sent, place)
        if place == chosen[0] and len(sent) > 1:
            yield from _of_packets(recording, sent)


def _of_field(recording: Recording, sent: Sequence[Sent], name: str, how: str, value: int) -> Alteration:
    """The alteration of a field in one frame or flow, or in several."""
    several = len(sent) > 1
    return Alteration(
        sent[0].kind,
        name,
        how,
        f"{recording.name} every {sent[0].kind}" if several else _place(recording, sent[0]),
        partial(_edit, recording, sent, name, how, value),
        "every" if several else "one",
    )


def _of_packet(recording: Recording, sent: Sequence[Sent], place: int) -> Iterator[Alteration]:
    one = sent[place]
    rows = one.packets[0]
    following = one.packets[1] if len(one.packets) > 1 else _following(recording, sent, place)
    for how in deliveries(Packet(recording, rows, following)):
        edit = partial(_moved, recording, one, how, following)
        yield Alteration(one.kind, WHOLE, how, _place(recording, one), edit)


def _of_packets(recording: Recording, sent: Sequence[Sent]) -> Iterator[Alteration]:
    """The alterations of every packet of a kind."""
    for how in OF_ALL:
        yield Alteration(
            sent[0].kind,
            WHOLE,
            how,
            f"{recording.name} every {sent[0].kind}",
            partial(_all_moved, recording, sent, how),
            "every",
        )


def _place(recording: Recording, one: Sent) -> str:
    index, row = recording.frames, one.packets[0][0]
    return f"{recording.name} frame {row + 1} at {index.taps[index.tap[row]]}"


def _fields(recording: Recording, sent: Sequence[Sent], place: int) -> Iterator[tuple[Field, list[tuple[str, int]]]]:
    """The fields of a packet, each once, with its alterations."""
    one = sent[place]
    made = layout(recording.frames.frame(one.packets[0][0]))
    before = [layout(frame) for frame in _before(recording, sent, place)]
    known = [{field.name: field.read(other.frame) for field in reversed(other.fields)} for other in before]
    names = set()
    for field in made.fields:
        if field.name in names:
            continue
        names.add(field.name)
        value = field.read(made.frame)
        earlier = next((old[field.name] for old in known if old.get(field.name, value) != value), None)
        yield field, list(values(made, field, earlier))


def _before(recording: Recording, sent: Sequence[Sent], place: int) -> Iterator[bytes]:
    """Earlier frames of the same kind from the same place, the latest first: for a flow, of earlier flows."""
    index, one = recording.frames, sent[place]
    tap = _tap(index, one.packets[0])
    earlier = (sent[other].packets[0] for other in range(place - 1, -1, -1))
    found = (rows for rows in earlier if one.flow is not None or _tap(index, rows) == tap)
    return (index.frame(rows[0]) for rows in islice(found, _EARLIER))


def _tap(index: FrameIndex, rows: Sequence[int]) -> int:
    """The tap that shows a packet first."""
    return int(index.tap[rows[0]])


def _following(recording: Recording, sent: Sequence[Sent], place: int) -> Sequence[int]:
    """The rows of the next frame of the same kind from the same place."""
    index, one = recording.frames, sent[place]
    if one.flow is not None:
        return ()
    later = (sent[other].packets[0] for other in range(place + 1, len(sent)))
    return next((rows for rows in later if _tap(index, rows) == _tap(index, one.packets[0])), ())


def _edit(recording: Recording, sent: Sequence[Sent], name: str, how: str, value: int) -> Edit | None:
    """The edit of one field: of every packet of a flow, of every one that was sent, on every tap."""
    frames: dict[int, bytes] = {}
    record = recording.record
    for one in sent:
        single = len(sent) == 1 and one.flow is None
        made = _packets(recording, one, name, how, value if single or how == STALE else None)
        frames |= made
        if one.flow is not None and made:
            record = consequences(record, one, name, next(iter(made.values())))
    return Edit(frames=frames, record=record) if frames else None


def _packets(recording: Recording, one: Sent, name: str, how: str, value: int | None) -> dict[int, bytes]:
    """By row, the frames that show what was sent with the field altered: to `value`, or each to one of its own."""
    frames: dict[int, bytes] = {}
    for row in (row for packet in one.packets for row in packet):
        frame = recording.frames.frame(row)
        made = _value(frame, name, how) if value is None else value
        altered = None if made is None else written(frame, name, how, made)
        if altered is not None and altered != frame:
            frames[row] = altered
    return frames


def _value(frame: bytes, name: str, how: str) -> int | None:
    """The value that a field of this frame is altered to."""
    made = layout(frame)
    found = next((field for field in made.fields if field.name == name), None)
    return None if found is None else dict(values(made, found, None)).get(how)


def _moved(recording: Recording, one: Sent, how: str, following: Sequence[int]) -> Edit | None:
    """The edit of a packet itself; a flow that is gone is gone with every packet, and does not arrive."""
    if one.flow is not None and how == GONE:
        rows = tuple(row for packet in one.packets for row in packet)
        return Edit(gone=rows, record=_with(recording.record, undelivered(one.flow, answer=one.answer)))
    return DELIVERIES[how](Packet(recording, one.packets[0], following))


def _all_moved(recording: Recording, sent: Sequence[Sent], how: str) -> Edit | None:
    """The edit of every packet that was sent of a kind."""
    made = [DELIVERIES[how](Packet(recording, packet)) for one in sent for packet in one.packets]
    record = recording.record
    if how == GONE:
        for one in sent:
            if one.flow is not None:
                record = _with(record, undelivered(one.flow, answer=one.answer))
    return joined([edit for edit in made if edit is not None], record)


def undelivered(flow: Flow, *, answer: bool) -> Flow:
    """The flow as its ends see it where it did not arrive, or where its answer did not."""
    lost = {"status": "timeout", "answer": None, "intact": None, "detail": "", "report": None}
    return flow.model_copy(update=lost if answer else {**lost, "arrival": None})


def consequences(record: Record, one: Sent, name: str, frame: bytes) -> Record:
    """The record as both ends of a flow see altered packets: another peer, another address, other content."""
    assert one.flow is not None
    flow = next(known for known in record.flows if known.id == one.flow.id)
    field = name.partition(".")[2]
    seen = not name.startswith("ethernet.") and field in ("source", "destination", "source-port", "destination-port")
    if name.endswith(".payload"):
        return _with(record, flow.model_copy(update={"intact": False}))
    if not seen or flow.arrival is None:
        return record
    if one.answer:
        return _with(record, undelivered(flow, answer=True))
    arrival = _arrived(flow.arrival, field, frame)
    return _with(record, flow.model_copy(update={"arrival": arrival, "answer": flow.answer and arrival}))


def _arrived(arrival: Answer, field: str, frame: bytes) -> Answer:
    """What a server sees of a packet: its peer and its own address, as they stand in the packet."""
    shown = {one.name.partition(".")[2]: one for one in layout(frame).fields if not one.name.startswith("ethernet.")}
    end, way = ("peer", "source") if field.startswith("source") else ("local", "destination")
    was = arrival.peer if end == "peer" else arrival.local
    width = shown[way].width // 8
    address = str(ip_address(shown[way].read(frame).to_bytes(width, "big")))
    port = shown[f"{way}-port"].read(frame) if f"{way}-port" in shown else was.port
    return arrival.model_copy(update={end: was.model_copy(update={"address": address, "port": port})})


def _with(record: Record, flow: Flow) -> Record:
    return record.model_copy(update={"flows": tuple(flow if one.id == flow.id else one for one in record.flows)})
