"""The LLDP agent on a simulated clock."""

from __future__ import annotations

from conformance.protocols.lldp import frames as lldp
from conformance.protocols.lldp.agent import Agent, AgentConduct, AgentPort, Timers

CHASSIS = bytes((lldp.CHASSIS_LOCAL,)) + b"sut"
MAC = bytes.fromhex("00005e005311")


def agent(timers: Timers | None = None, conduct: AgentConduct | None = None) -> Agent:
    made = Agent(CHASSIS, [AgentPort(MAC, "port1")], timers or Timers(), conduct)
    made.enable(0, on=True)
    return made


def run(machine: Agent, start: float, end: float) -> list[tuple[float, lldp.Lldpdu]]:
    sent, now = [], start
    while now <= end:
        for _, frame in machine.advance(now):
            pdu = lldp.parse(frame)
            assert pdu is not None
            sent.append((now, pdu))
        following = machine.due()
        assert following > now
        now = following
    return sent


def advert(name: str, ttl: int, *extra: bytes) -> bytes:
    return lldp.frame_of(bytes.fromhex("00005e005391"), [*lldp.mandatory(*lldp.local_ids(name, "p"), ttl), *extra])


def test_it_sends_at_its_interval() -> None:
    sent = run(agent(), 100.0, 200.0)
    assert [moment for moment, _ in sent] == [100.0, 130.0, 160.0, 190.0]
    assert {pdu.ttl for _, pdu in sent} == {121}
    assert not any(lldp.problem(pdu) for _, pdu in sent)


def test_a_new_neighbour_is_told_four_times_at_once() -> None:
    made = agent()
    run(made, 0.0, 9.0)
    made.hear(0, advert("a", 120), 10.0)
    sent = run(made, 10.0, 44.0)
    assert [moment for moment, _ in sent] == [10.0, 11.0, 12.0, 13.0, 43.0]
    made.hear(0, advert("a", 120), 45.0)
    assert not run(made, 45.0, 50.0), "it is known"


def test_a_burst_of_changes_is_limited_and_its_last_state_told() -> None:
    made = agent()
    run(made, 0.0, 19.0)
    sent = []
    for number in range(20):
        made.rename(f"name-{number}")
        sent += run(made, 20.0 + number / 10, 20.0 + number / 10 + 0.09)
    sent += run(made, 22.0, 30.0)
    moments = [moment for moment, _ in sent]
    assert sum(moment < 21 for moment in moments) == 5
    assert all(sum(start <= moment < start + 1 for moment in moments) <= 1 for start in range(21, 30))
    last = sent[-1][1].first(lldp.SYSTEM_NAME)
    assert last is not None
    assert last.value == b"name-19"


def test_shutdown_then_two_seconds_of_silence() -> None:
    made = agent()
    run(made, 0.0, 9.0)
    made.advance(10.0)
    made.enable(0, on=False)
    made.enable(0, on=True)
    sent = run(made, 10.0, 14.0)
    assert [(moment, pdu.ttl) for moment, pdu in sent] == [(10.0, 0), (12.0, 121)]
    assert [tlv.type for tlv in sent[0][1].tlvs] == [1, 2, 3, 0]


def test_neighbours_age_and_say_goodbye() -> None:
    made = agent()
    made.advance(0.0)
    made.hear(0, advert("a", 10), 1.0)
    made.hear(0, advert("b", 100), 1.0)
    made.advance(10.9)
    assert len(made.ports[0].neighbours) == 2
    made.advance(11.0)
    assert [known.ids.chassis for known in made.ports[0].neighbours.values()] == ["b"]
    made.hear(0, advert("b", 0), 12.0)
    assert not made.ports[0].neighbours


def test_what_is_malformed_is_discarded_and_what_is_unknown_is_not() -> None:
    made = agent()
    made.advance(0.0)
    good = lldp.mandatory(*lldp.local_ids("m", "p"), 100)
    for tlvs in (good[:2], [good[1], good[0], good[2]], [*good, good[2]], [*good[:2], lldp.tlv(3, b"\0")]):
        made.hear(0, lldp.frame_of(MAC, tlvs), 1.0)
    assert not made.ports[0].neighbours
    made.hear(0, advert("u", 100, lldp.tlv(99, b"new")), 1.0)
    assert len(made.ports[0].neighbours) == 1


def test_conduct_counts_its_lapses() -> None:
    made = agent(conduct=AgentConduct(silent=True))
    assert not run(made, 0.0, 40.0)
    assert made.lapses == 2
