"""The LACP participant against another one, on a simulated clock, and each way in which it misbehaves on command."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.protocols import ethertypes
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lacp.frames import Lacpdu, Marker, Participant, State
from conformance.protocols.lacp.participant import BURST, Mux, ParticipantConduct, Receive, System
from conformance.protocols.mac import mac_text

LEFT, RIGHT = "00:00:5e:00:53:01", "00:00:5e:00:53:02"
UP = State.SYNCHRONIZATION | State.COLLECTING | State.DISTRIBUTING


class Wire:
    """Two systems, port to port of the same index, with a clock that jumps from event to event."""

    def __init__(self, left: System, right: System, crossed: bool = False) -> None:
        self.sides = (left, right)
        self.now = 0.0
        self.sent: list[tuple[float, int, int, bytes]] = []
        self.cut: set[int] = set()

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            for _ in range(1000):
                if not self._exchange():
                    break
            else:
                raise AssertionError("the two never come to rest")
            upcoming = min(side.due() for side in self.sides)
            if upcoming > until:
                self.now = until
                return
            self.now = max(self.now, upcoming)

    def _exchange(self) -> bool:
        moved = False
        for number, side in enumerate(self.sides):
            for port, frame in side.advance(self.now):
                moved = True
                self.sent.append((self.now, number, port, frame))
                if port not in self.cut:
                    self.sides[1 - number].hear(port, frame, self.now)
        return moved

    def pdus(self, side: int, port: int = 0) -> Iterator[tuple[float, Lacpdu]]:
        for time, number, at, frame in self.sent:
            pdu = lacp.lacpdu(frame)
            if (number, at) == (side, port) and pdu is not None:
                yield time, pdu


def pair(ports: int = 2, left: ParticipantConduct | None = None, **options: object) -> Wire:
    one = System(LEFT, key=10, **options)  # type: ignore[arg-type]
    other = System(RIGHT, key=20)
    for number in range(ports):
        one.port(f"00:00:5e:00:53:1{number}", conduct=left)
        other.port(f"00:00:5e:00:53:2{number}")
    return Wire(one, other)


def test_two_of_them_come_up_in_order() -> None:
    wire = pair()
    wire.run(10)
    for side in wire.sides:
        assert all(port.mux is Mux.DISTRIBUTING and port.receive is Receive.CURRENT for port in side.ports)
    seen = [pdu.actor.state & UP for _, pdu in wire.pdus(0)]
    assert seen == sorted(seen)
    assert seen[-1] == UP
    first = next(time for time, pdu in wire.pdus(0) if State.SYNCHRONIZATION in pdu.actor.state)
    assert first >= 2.0


def test_frames_have_the_form_of_the_standard() -> None:
    wire = pair()
    wire.run(5)
    assert wire.sent
    assert not [lacp.defects(frame) for _, _, _, frame in wire.sent if lacp.defects(frame)]
    assert {len(frame) for *_, frame in wire.sent} == {lacp.LENGTH}


def test_they_repeat_each_other() -> None:
    wire = pair()
    wire.run(5)
    left = wire.sides[0].ports[0]
    _, last = list(wire.pdus(1))[-1]
    assert last.partner == left.actor


@pytest.mark.parametrize(("short", "period"), [(True, 1.0), (False, 30.0)])
def test_the_period_is_what_the_partner_asks_for(short: bool, period: float) -> None:
    wire = pair(1, short=short)
    wire.run(200)
    times = [time for time, _ in wire.pdus(1) if time > 100]
    assert {round(after - before, 6) for before, after in itertools.pairwise(times)} == {period}


def test_silence_expires_then_defaults() -> None:
    wire = pair(1)
    wire.run(5)
    wire.cut.add(0)
    seen = []
    for seconds in (1.5, 2, 3):
        wire.run(seconds)
        seen.append(wire.sides[1].ports[0].receive)
    assert seen == [Receive.CURRENT, Receive.EXPIRED, Receive.DEFAULTED]
    assert not wire.sides[1].ports[0].collecting
    assert wire.sides[1].ports[0].actor.state & State.DEFAULTED
    wire.cut.clear()
    wire.run(35)  # who knows nobody sends at the slow rate
    assert wire.sides[1].ports[0].distributing


def test_two_passive_ones_say_nothing() -> None:
    wire = pair(1, active=False)
    wire.sides[1].active = False
    wire.run(60)
    assert not wire.sent


def test_a_passive_one_answers() -> None:
    wire = pair(1, active=False)
    wire.run(5)
    assert wire.sent[0][1] == 1
    assert wire.sides[0].ports[0].distributing


def test_its_own_system_is_kept_out() -> None:
    one = System(LEFT)
    one.port("00:00:5e:00:53:10")
    other = System(LEFT)
    other.port("00:00:5e:00:53:20")
    wire = Wire(one, other)
    wire.run(10)
    assert {side.ports[0].mux for side in wire.sides} == {Mux.DETACHED}


def test_a_foreign_key_is_kept_out() -> None:
    wire = pair()
    wire.sides[1].ports[1].key = 99
    wire.run(10)
    assert [port.mux for port in wire.sides[0].ports] == [Mux.DISTRIBUTING, Mux.DETACHED]


def test_a_changed_partner_is_selected_anew() -> None:
    wire = pair(1)
    wire.run(5)
    wire.sides[1].ports[0].key = 99
    wire.run(5)
    assert wire.sides[0].ports[0].partner.key == 99
    assert wire.sides[0].ports[0].distributing


def test_a_lost_link_comes_back() -> None:
    wire = pair(1)
    wire.run(5)
    for side in wire.sides:
        side.ports[0].enabled = False
    wire.run(1)
    assert not wire.sides[0].ports[0].distributing
    for side in wire.sides:
        side.ports[0].enabled = True
    wire.run(5)
    assert wire.sides[0].ports[0].distributing


def test_no_more_than_three_in_a_second() -> None:
    wire = pair(1)
    wire.run(3)
    for number in range(100):
        wire.sides[1].ports[0].key = 20 + number
        wire.sides[1].ports[0].need_to_transmit = True
        wire.run(0.01)
    times = [time for time, _ in wire.pdus(1)]
    assert all(later - earlier >= 1.0 for earlier, later in zip(times, times[BURST:], strict=False))


def test_a_marker_is_answered() -> None:
    wire = pair(1)
    question = Marker(lacp.MARKER_INFORMATION, 7, RIGHT, 0xDEADBEEF)
    wire.sides[0].hear(0, question.build(RIGHT), 0.0)
    frames = [frame for _, frame in wire.sides[0].advance(0.0) if lacp.marker(frame)]
    answer = lacp.marker(frames[0])
    assert answer is not None
    assert (answer.kind, answer.port, answer.system, answer.transaction) == (2, 7, RIGHT, 0xDEADBEEF)


def never_up(wire: Wire) -> bool:
    return not any(port.distributing for port in wire.sides[1].ports)


def up(wire: Wire) -> bool:
    return all(port.distributing for port in wire.sides[1].ports)


MISCONDUCT: dict[str, tuple[ParticipantConduct, Callable[[Wire], bool]]] = {
    "silent": (ParticipantConduct(silent=True), lambda wire: not list(wire.pdus(0)) and never_up(wire)),
    "mute": (ParticipantConduct(mute=True), lambda wire: not list(wire.pdus(0)) and never_up(wire)),
    "out of step": (ParticipantConduct(withheld=State.SYNCHRONIZATION), never_up),
    "not collecting": (ParticipantConduct(withheld=State.COLLECTING), never_up),
    "not echoed": (ParticipantConduct(echoes=False), never_up),
    "own rate": (ParticipantConduct(own_rate=True), lambda wire: up(wire) and len(list(wire.pdus(0))) > 20),
    "always distributing": (
        ParticipantConduct(flaunted=UP),
        lambda wire: all(pdu.actor.state & UP == UP for _, pdu in wire.pdus(0)),
    ),
}


@pytest.mark.parametrize("name", MISCONDUCT)
def test_misconduct(name: str) -> None:
    conduct, seen = MISCONDUCT[name]
    wire = pair(2, conduct, short=True)
    wire.run(40)
    assert seen(wire)


def test_it_never_expires_when_told_so() -> None:
    wire = pair(1, ParticipantConduct(expires=False))
    wire.run(5)
    wire.cut.add(0)
    wire.run(60)
    assert wire.sides[0].ports[0].distributing


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    for frame in (
        data,
        bytes.fromhex("0180c2000002") + data,
        bytes(12) + ethertypes.octets(ethertypes.SLOW_PROTOCOLS) + b"\x01" + data,
    ):
        lacp.lacpdu(frame)
        lacp.marker(frame)
        wire = pair(1)
        wire.sides[0].hear(0, frame, 0.0)
        wire.run(1)


participants = st.builds(
    Participant,
    system_priority=st.integers(0, 65535),
    system=st.binary(min_size=6, max_size=6).map(mac_text),
    key=st.integers(0, 65535),
    port_priority=st.integers(0, 65535),
    port=st.integers(0, 65535),
    state=st.integers(0, 255).map(State),
)


@given(participants, participants, st.integers(0, 65535))
def test_what_is_built_is_read(actor: Participant, partner: Participant, delay: int) -> None:
    pdu = Lacpdu(actor, partner, delay, source=LEFT)
    assert lacp.lacpdu(pdu.build(LEFT)) == pdu
