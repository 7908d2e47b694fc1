"""The spanning tree speaker against others, on a simulated clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.protocols import ethertypes
from conformance.protocols.mac import mac_text
from conformance.protocols.stp import frames as stp
from conformance.protocols.stp.bridge import Speaker
from conformance.protocols.stp.frames import RSTP, STP, Bpdu, bridge_id

MACS = [f"00:00:5e:00:53:{number:02x}" for number in range(16)]
Link = tuple[tuple[int, int], tuple[int, int]]


class Net:
    """Speakers and links between their ports, with a clock that jumps from event to event."""

    def __init__(self, speakers: list[Speaker], links: list[Link]) -> None:
        self.speakers = speakers
        self.far = {**dict(links), **{there: here for here, there in links}}
        self.now = 0.0
        self.sent: list[tuple[float, int, int, Bpdu]] = []
        self.frames: list[bytes] = []

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            for _ in range(1000):
                if not self._exchange():
                    break
            else:
                raise AssertionError("they never come to rest")
            upcoming = min(one.due() for one in self.speakers)
            if upcoming > until:
                self.now = until
                return
            self.now = max(self.now, upcoming)

    def _exchange(self) -> bool:
        moved = False
        for number, speaker in enumerate(self.speakers):
            for port, frame in speaker.advance(self.now):
                moved = True
                told = stp.parse(frame)
                assert told is not None
                self.frames.append(frame)
                self.sent.append((self.now, number, port, told))
                if (number, port) in self.far:
                    there, far = self.far[number, port]
                    self.speakers[there].hear(far, frame, self.now)
        return moved

    def last(self, number: int, port: int = 0) -> Bpdu:
        return [told for _, who, at, told in self.sent if (who, at) == (number, port)][-1]


def net(version: int, *priorities: int, loop: bool = False) -> Net:
    """A chain of speakers, closed to a ring with `loop`."""
    speakers = [Speaker(bridge_id(priority, MACS[n]), version) for n, priority in enumerate(priorities)]
    for speaker in speakers:
        for _ in range(2):
            speaker.port(mac_text(speaker.identifier[2:]))
    links: list[Link] = [((n, 1), (n + 1, 0)) for n in range(len(speakers) - 1)]
    if loop:
        links.append(((len(speakers) - 1, 1), (0, 0)))
    return Net(speakers, links)


@pytest.mark.parametrize("version", [STP, RSTP])
@pytest.mark.parametrize("loop", [False, True])
def test_the_best_is_the_root_of_all(version: int, loop: bool) -> None:
    made = net(version, 0x8000, 0x1000, 0x8000, loop=loop)
    made.run(10)
    assert {one.root for one in made.speakers} == {bridge_id(0x1000, MACS[1])}
    assert made.speakers[1].root_port is None
    assert made.speakers[0].root_port is made.speakers[0].ports[1]
    assert not [stp.defects(frame) for frame in made.frames if stp.defects(frame)]


def test_a_ring_has_one_blocked_port() -> None:
    made = net(RSTP, 0x1000, 0x8000, 0x8000, loop=True)
    made.run(10)
    blocked = [
        (n, port.number)
        for n, one in enumerate(made.speakers)
        for port in one.ports
        if not one.designated(port) and port is not one.root_port
    ]
    assert blocked == [(2, 1)]


@pytest.mark.parametrize(("version", "after"), [(RSTP, 6.0), (STP, 20.0)])
def test_a_silent_root_is_replaced(version: int, after: float) -> None:
    made = net(version, 0x1000, 0x8000)
    made.run(10)
    made.speakers[0].silent = True
    made.run(after - 3)
    assert made.speakers[1].root == made.speakers[0].identifier
    made.run(3)
    assert made.speakers[1].root == made.speakers[1].identifier


def test_who_insists_is_its_own_root() -> None:
    made = net(STP, 0x8000, 0x1000)
    made.speakers[0].insists = True
    made.run(6)
    assert made.last(0, 1).root == made.speakers[0].identifier
    assert made.speakers[1].root == made.speakers[1].identifier


def test_a_notification_is_acknowledged() -> None:
    made = net(STP, 0x1000, 0x8000)
    made.run(5)
    made.speakers[1].notify(made.now)
    made.run(0)
    kinds = [told.type for _, who, _, told in made.sent if who == 1]
    assert stp.TOPOLOGY_CHANGE_NOTIFICATION in kinds
    assert made.last(0, 1).flags == stp.TCA | stp.TC
    made.run(2)
    assert made.last(0, 1).flags == stp.TC
    made.run(60)
    assert made.last(0, 1).flags == 0


def test_a_proposal_is_agreed_to() -> None:
    made = net(RSTP, 0x1000, 0x8000)
    made.speakers[0].proposes = True
    made.run(0)
    agreed = [told for _, who, _, told in made.sent if who == 1 and told.flags & stp.AGREEMENT]
    assert agreed
    assert stp.ROLES[agreed[0].role] == "root"


@given(st.binary(max_size=120))
def test_any_bytes_are_read(data: bytes) -> None:
    for frame in (data, bytes.fromhex("0180c2000000") + data, bytes(12) + b"\0\x26" + ethertypes.LLC_BRIDGE + data):
        stp.parse(frame)
        if len(frame) >= 14:
            stp.defects(frame)
        net(RSTP, 0x8000).speakers[0].hear(0, frame, 0.0) if len(data) < 50 else None


times = st.integers(0, 65535).map(lambda units: units / 256)


@given(st.binary(min_size=8, max_size=8), st.integers(0, 2**32 - 1), st.integers(0, 65535), st.integers(0, 255), times)
def test_what_is_built_is_read(identifier: bytes, cost: int, port: int, flags: int, age: float) -> None:
    for kind, version in ((stp.CONFIGURATION, STP), (stp.RAPID, RSTP)):
        told = Bpdu(kind, version, flags, identifier, cost, identifier[::-1], port, age, source=MACS[0])
        assert stp.parse(told.build(MACS[0])) == told
