"""Verdicts on ports on a busy machine: lateness is allowed for, or leaves the verdict open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from meeting import UP, Seen, at, event, every_second, lacpdus, recorded

from conformance import limits
from conformance.families.lacp.evidence import tardiness
from conformance.families.pair import checks_lacp as pair_lacp
from conformance.families.pair import checks_stp as pair_stp
from conformance.judging import cables
from conformance.judging.case import Case, Undecided, judge
from conformance.judging.timing import unhurried
from conformance.lab.plain import GROUPS
from conformance.protocols import ethertypes, numbered
from conformance.protocols.lacp.frames import State
from conformance.protocols.mac import BROADCAST
from conformance.protocols.numbered import Numbered
from conformance.provoking.traffic import Traffic
from conformance.recording.events import Event
from conformance.recording.events.links import CablePlain, Configured, TimerLate
from conformance.recording.events.meeting import (
    AgreementAwaited,
    BlackHoleBegun,
    BlackHoleEnded,
    BridgesJoined,
    CableJoined,
    CarrierGiven,
    CarrierTaken,
    GroupWatched,
)
from conformance.recording.model import Window
from conformance.recording.store import Recording
from conformance.verdict import Verdict

JOINED = [
    event(1, CableJoined(where=f"h1:port{n}--h2:port{n}", left=f"h1:port{n}", right=f"h2:port{n}")) for n in (2, 3)
]
CABLE = "h1:port3--h2:port3"
COURSE = [
    *JOINED,
    event(5, AgreementAwaited(where="up")),
    event(10, CarrierTaken(where=CABLE)), event(13, CarrierGiven(where=CABLE)),
    event(14, AgreementAwaited(where="severed")),
    event(16, BlackHoleBegun(where=CABLE)), event(23, BlackHoleEnded(where=CABLE)),
    event(30, AgreementAwaited(where="deaf")),
    event(32, GroupWatched()),
]  # fmt: skip


def conversation(lost: Iterable[float] = ()) -> list[Seen]:
    """Frames that the left station sends every tenth of a second and the right one hears, but for some moments."""
    frames = [(count / 10, numbered.build(Numbered(0, count))) for count in range(600)]
    gone = {round(moment, 1) for moment in lost}
    sent = [("h1p1", moment, frame, True) for moment, frame in frames]
    return [*sent, *(("h2p1", moment + 0.01, frame, False) for moment, frame in frames if moment not in gone)]


def survives(recording: Recording) -> tuple[Verdict, str]:
    made = judge(pair_lacp.test_survives, Case(recording, {"direction": "left-to-right"}))
    return made.verdict, made.seen


def switches(*starved: float) -> list[Seen]:
    """LACPDUs every second from both ends of the cable that stays whole; those of some moments are 0.7 s late."""
    moments = [moment + (0.7 if moment in starved else 0.0) for moment in every_second()]
    return [*lacpdus("h1p2", moments), *lacpdus("h2p2", moments), *taken()]


def taken(*, apart: Iterable[float] = ()) -> list[Seen]:
    """LACPDUs every second from both ends of the other cable; at some moments they say that they do not distribute."""
    split = set(apart)
    together = [moment for moment in every_second() if moment not in split]
    states = ((together, UP), (sorted(split), UP & ~State.DISTRIBUTING))
    return [one for name in ("h1p3", "h2p3") for when, state in states for one in lacpdus(name, when, state=state)]


def test_a_group_that_loses_nothing_survives(tmp_path: Path) -> None:
    assert survives(recorded(tmp_path, COURSE, [*conversation(), *switches()]))[0] is Verdict.PASS


def test_what_is_lost_with_time_to_spare_is_a_failure_on_an_idle_machine_and_on_a_busy_one(tmp_path: Path) -> None:
    lost = conversation(lost=[11.8, 12.0])
    verdict, seen = survives(recorded(tmp_path, COURSE, [*lost, *switches()], load_average=38.0))
    assert verdict is Verdict.FAIL
    assert "2 of" in seen
    assert "more than 1 s after the loss of its carrier" in seen


def test_a_switch_that_waits_for_a_processor_is_given_the_time_that_its_own_lacpdus_were_late(tmp_path: Path) -> None:
    late = [*conversation(lost=[11.2, 11.4]), *switches(11.0)]
    assert survives(recorded(tmp_path, COURSE, late))[0] is Verdict.FAIL, "nothing excuses it on an idle machine"
    assert survives(recorded(tmp_path, COURSE, late, load_average=38.0))[0] is Verdict.PASS


def test_a_silence_is_not_judged_of_one_who_has_the_long_timeout(tmp_path: Path) -> None:
    """A device that somebody configured by hand may have been given it."""
    patient = lacpdus("h1p3", every_second(), state=UP & ~State.TIMEOUT)
    recording = recorded(tmp_path, COURSE, [*conversation(lost=[21.0]), *switches(), *patient])
    verdict, seen = survives(recording)
    assert (verdict, seen) == (
        Verdict.INCONCLUSIVE,
        "h1:port3 says that it has the long timeout, and was to have the short one",
    )
    expires = judge(pair_lacp.test_expires, Case(recording, {"side": "left"}))
    assert (expires.verdict, expires.seen) == (verdict, seen)


def test_too_little_time_after_a_loss_is_no_verdict(tmp_path: Path) -> None:
    events = [*COURSE, event(11, TimerLate(seconds=0.9))]
    verdict, seen = survives(recorded(tmp_path, events, [*conversation(), *switches()]))
    assert (verdict, seen) == (Verdict.INCONCLUSIVE, pair_lacp.TOO_SHORT)


PATIENT = [
    *JOINED,
    event(2, Configured()),
    event(23, AgreementAwaited(where="up")),
    event(24, CarrierTaken(where=CABLE)), event(27, CarrierGiven(where=CABLE)),
    event(48, AgreementAwaited(where="severed")),
    event(50, BlackHoleBegun(where=CABLE)), event(57, BlackHoleEnded(where=CABLE)),
    event(108, AgreementAwaited(where="deaf")),
    event(110, GroupWatched()),
]  # fmt: skip
"""Who was given all the time that there is to agree."""


def carries(recording: Recording) -> tuple[Verdict, str]:
    made = judge(pair_lacp.test_carries, Case(recording, {"direction": "left-to-right"}))
    return made.verdict, made.seen


def steady(start: float, end: float) -> Window:
    return Window(name="steady", start_ns=at(start), end_ns=at(end))


def test_two_that_never_distribute_do_not_agree_whatever_the_scenario_thought(tmp_path: Path) -> None:
    """The scenario went on as if they had agreed."""
    whole = [*lacpdus("h1p2", every_second()), *lacpdus("h2p2", every_second())]
    seen = [*conversation(), *whole, *taken(apart=every_second())]
    verdict, said = carries(recorded(tmp_path, PATIENT, seen, windows=(steady(23.5, 23.9),)))
    assert verdict is Verdict.FAIL
    assert said.startswith("the two did not agree after 22.0 s")
    early = [one for one in COURSE if one.where != "deaf"]
    assert carries(recorded(tmp_path, early, seen, windows=(steady(6, 9),)))[0] is Verdict.INCONCLUSIVE


def test_two_that_distribute_agree_whatever_the_scenario_thought(tmp_path: Path) -> None:
    """The scenario had waited for them for as long as it could."""
    recording = recorded(tmp_path, PATIENT, [*conversation(), *switches()], windows=(steady(23.5, 23.9),))
    assert carries(recording) == (Verdict.PASS, "so in 3 of 3 observations")


def test_two_that_agree_late_do_not_agree_in_time(tmp_path: Path) -> None:
    whole = [*lacpdus("h1p2", every_second()), *lacpdus("h2p2", every_second())]
    seen = [*conversation(), *whole, *taken(apart=range(23))]
    verdict, said = carries(recorded(tmp_path, PATIENT, seen, windows=(steady(23.5, 23.9),)))
    assert verdict is Verdict.FAIL
    assert said.startswith("the two agreed after 21.0 s")


def test_two_that_do_not_agree_again_are_judged_where_the_machine_had_time(tmp_path: Path) -> None:
    whole = [*lacpdus("h1p2", every_second()), *lacpdus("h2p2", every_second())]
    seen = [*conversation(), *whole, *taken(apart=range(25, 60))]
    verdict, said = survives(recorded(tmp_path, PATIENT, seen))
    assert verdict is Verdict.FAIL
    assert said.startswith("the two did not agree again after the loss of its carrier after 23.0 s")
    busy = recorded(tmp_path, [*PATIENT, event(30, TimerLate(seconds=1.2))], seen)
    assert survives(busy)[0] is Verdict.INCONCLUSIVE


def test_what_is_late_on_an_idle_machine_is_not_excused_by_itself(tmp_path: Path) -> None:
    for average, allowed in ((1.0, 0.0), (38.0, 0.7)):
        recording = recorded(tmp_path, JOINED, switches(11.0), load_average=average)
        ports = [port for port in recording.record.ports if port.name.endswith("port2")]
        assert tardiness(Case(recording, {}), ports, (at(10), at(13)), 1.0) == pytest.approx(allowed)


def test_a_failure_on_time_needs_a_machine_that_keeps_time(tmp_path: Path) -> None:
    case = Case(recorded(tmp_path, [event(20, TimerLate(seconds=1.1))], []), {})
    unhurried(case, True)
    unhurried(case, False, (at(5), at(10)))
    with pytest.raises(Undecided, match=r"1\.1 s late"):
        unhurried(case, False, (at(19), at(22)))


# --- bridges ------------------------------------------------------------------------------------------------------
ROOTED = [
    *JOINED,
    event(2, BridgesJoined(
        where="left-root", root="left", converged=10.0, stations=("h1:port1", "h2:port1"),
        cables=tuple(one.where for one in JOINED),
    )),
    event(10, CarrierTaken(where=CABLE)),
]  # fmt: skip


def healed(folder: Path, *lost: float) -> tuple[Verdict, str, float]:
    """The verdict on two bridges whose stations did not hear each other at some moments, and how long that took."""
    gone = {round(moment, 1) for moment in lost}
    seen: list[Seen] = []
    for conversation_number, (here, there) in enumerate((("h1p1", "h2p1"), ("h2p1", "h1p1"))):
        for count in range(330):
            frame = numbered.build(Numbered(conversation_number, count), BROADCAST)
            seen.append((here, count / 10, frame, True))
            if round(count / 10, 1) not in gone:
                seen.append((there, count / 10 + 0.01, frame, False))
    windows = tuple(
        Window(name=f"{name} left-root", start_ns=at(start), end_ns=at(start + 4))
        for name, start in (("steady", 5), ("healed", 26))
    )
    recording = recorded(folder, ROOTED, seen, windows=windows)
    made = judge(pair_stp.test_heals, Case(recording, {"direction": "left-to-right"}))
    return made.verdict, made.seen, dict(made.figures).get("left-root healed s", 0.0)


def test_a_cable_that_is_lost_is_replaced_when_the_stations_hear_each_other_without_a_gap(tmp_path: Path) -> None:
    verdict, _, took = healed(tmp_path, *(moment / 10 for moment in range(100, 140)))
    assert (verdict, took) == (Verdict.PASS, 4.01)


def test_a_cable_that_is_replaced_too_late_is_a_failure(tmp_path: Path) -> None:
    verdict, said, took = healed(tmp_path, *(moment / 10 for moment in range(100, 230)))
    assert (verdict, took) == (Verdict.FAIL, 13.01)
    assert said.startswith("left-root: after 13.0 s")


def test_a_cable_that_is_not_replaced_is_a_failure(tmp_path: Path) -> None:
    verdict, said, _ = healed(tmp_path, *(moment / 10 for moment in range(100, 330)))
    assert verdict is Verdict.FAIL
    assert said.startswith("left-root: never again")


# --- the plain cables -----------------------------------------------------------------------------------------------
def result(*, heard: str = "h1:port1") -> tuple[list[Event], dict[str, bytes]]:
    """A cable that was tried from both ends."""
    nonces = {
        f"{group}{way}": f"CANARY{number:010}".encode()
        for number, (group, way) in enumerate((group, way) for group in GROUPS for way in "><")
    }
    ways = (("h1:port1", "partners:h1p1", ">", "partners:h1p1"), ("partners:h1p1", "h1:port1", "<", heard))
    return [
        event(
            0,
            CablePlain(
                where=target,
                source=source,
                nonces={group: nonces[f"{group}{way}"].hex() for group in GROUPS},
                heard={group: {where: 1} for group in GROUPS},
            ),
        )
        for source, target, way, where in ways
    ], nonces


def canaries(nonces: dict[str, bytes], *, lost: str = "", copied: str = "") -> list[Seen]:
    seen: list[Seen] = []
    for name, nonce in nonces.items():
        frame = (bytes(12) + ethertypes.octets(ethertypes.EXPERIMENT) + nonce).ljust(60, b"\0")
        if name != lost:
            seen.append(("h1p1", 0.1, frame, name.endswith("<")))
        if name == copied:
            seen.append(("h1p2", 0.1, frame, True))
    return seen


def test_cables_that_carry_everything_once_are_in_order(tmp_path: Path) -> None:
    events, nonces = result()
    recording = recorded(tmp_path, events, canaries(nonces))
    assert cables.control_failure(recording) is None
    made = cables.outcome(recording)
    assert made is not None
    assert made.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("lost", "copied", "said"),
    [
        (f"{GROUPS[0]}>", "", "a frame to 01:80:c2:00:00:00 from h1:port1 to partners:h1p1 came out at nowhere"),
        ("", f"{GROUPS[3]}>", "h1:port1 to partners:h1p1 came out at partners:h1p1 (1 times), partners:h1p2 (1 times)"),
        ("", f"{GROUPS[2]}<", "a frame to 01:80:c2:00:00:0e from partners:h1p1 went to partners:h1p2 as well"),
    ],
)
def test_cables_that_lose_or_multiply_are_said_to(tmp_path: Path, lost: str, copied: str, said: str) -> None:
    events, nonces = result()
    wrong = cables.control_failure(recorded(tmp_path, events, canaries(nonces, lost=lost, copied=copied)))
    assert wrong is not None
    assert said in wrong


def test_cables_that_lead_elsewhere_are_said_to(tmp_path: Path) -> None:
    events, nonces = result(heard="h1:port2")
    wrong = cables.control_failure(recorded(tmp_path, events, canaries(nonces)))
    assert wrong == "a frame to 01:80:c2:00:00:00 from partners:h1p1 to h1:port1 came out at h1:port2 (1 times)"


def test_where_no_cable_was_tried_nothing_is_said(tmp_path: Path) -> None:
    recording = recorded(tmp_path, JOINED, [])
    assert cables.control_failure(recording) is None
    assert cables.outcome(recording) is None


# --- what is on its way -----------------------------------------------------------------------------------------------
class SlowWire:
    """A wire whose frames arrive at the other one when a slow switch gets round to them."""

    def __init__(self) -> None:
        self.other: SlowWire | None = self
        self.late = 0.0
        self.receivers: list[Callable[[int, bytes], None]] = []

    def listen(self, receiver: Callable[[int, bytes], None]) -> Callable[[], None]:
        self.receivers.append(receiver)
        return lambda: self.receivers.remove(receiver)

    def send(self, frame: bytes) -> int:
        if self.other is not None:
            asyncio.get_running_loop().call_later(self.late, self.other.come, frame)
        return 0

    def come(self, frame: bytes) -> None:
        for receiver in tuple(self.receivers):
            receiver(0, frame)


def talked(wires: tuple[SlowWire, SlowWire], meanwhile: Callable[[Traffic], Coroutine[None, None, None]]) -> None:
    wires[0].other, wires[1].other = wires[1], wires[0]
    stations: Any = [SimpleNamespace(wire=wire) for wire in wires]

    async def whole() -> None:
        traffic = Traffic(stations, conversations=2)
        async with asyncio.TaskGroup() as group:
            group.create_task(traffic.talk())
            await meanwhile(traffic)
            traffic.stop()

    asyncio.run(whole())


def test_what_a_slow_switch_still_has_is_waited_for() -> None:
    wires = SlowWire(), SlowWire()

    async def meanwhile(traffic: Traffic) -> None:
        await asyncio.sleep(0.1)
        assert await traffic.arrived()
        wires[0].late, came = 0.2, []
        await asyncio.sleep(0.1)
        wires[1].listen(lambda _, frame: came.append(frame))
        before = asyncio.get_running_loop().time()
        assert await traffic.arrived()
        assert asyncio.get_running_loop().time() - before > 0.1
        assert came

    talked(wires, meanwhile)


def test_what_never_came_through_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wires = SlowWire(), SlowWire()
    monkeypatch.setattr(limits, "PAIR_ARRIVED", 0.1)

    async def meanwhile(traffic: Traffic) -> None:
        wires[0].other = None
        await asyncio.sleep(0.1)
        assert await traffic.arrived(), "one way there is nothing to wait for, the other way it came"
        wires[1].other = None
        await asyncio.sleep(0.1)
        assert not await traffic.arrived()

    talked(wires, meanwhile)
