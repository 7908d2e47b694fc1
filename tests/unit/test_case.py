"""A case: what a check may ask of a recording, what it then requires, and what its observations amount to."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from conformance.judging.case import NUMBERED, SHOWN, Case, describe, judge, socket_text
from conformance.judging.timing import (
    busiest,
    intervals,
    lateness,
    median,
    slack,
    unhurried,
)
from conformance.limits import MENTIONED, STANDSTILL
from conformance.protocols.marker import mark
from conformance.recording.events.attaching import Watched
from conformance.recording.events.links import Carrier, TimerLate
from conformance.recording.model import Canary, Flow, Snapshot, Window
from conformance.recording.store import Recording
from conformance.testing.recordings import BEGAN, Frame, endpoint, flow, judged, recording
from conformance.verdict import Judgement, Verdict

ETHERNET = bytes.fromhex("00005e00530200005e00530188b5")
SECOND = 1_000_000_000


def marked(number: int, after: float) -> Frame:
    """A datagram of the flow of that number, on a1's tap."""
    packet = (
        Ether(src="00:00:5e:00:53:01", dst="00:00:5e:00:53:02")
        / IP(src="192.0.2.1", dst="192.0.2.2")
        / UDP()
        / mark(number)
    )
    return Frame("a1:eth0", bytes(packet), after)


def frame(tap: str, payload: bytes = b"", after: float = 0.0) -> Frame:
    return Frame(tap, ETHERNET + payload.ljust(50, b"\0"), after)


def watched(*, seen: bool = True, dropped: int = 0, name: str = "idle") -> Recording:
    """A recording with one window, whose canaries were seen on a1's tap, or not."""
    canary = Canary(nonce="11" * 16, form="udp", where="a1", tap="a1:eth0", time_ns=BEGAN)
    window = Window(name=name, start_ns=BEGAN, end_ns=BEGAN + SECOND, canaries=(canary,))
    made = recording(
        endpoints=[endpoint("a1")], windows=[window], frames=[frame("a1:eth0", b"\x11" * 16)] if seen else []
    )
    return lossy(made, "a1:eth0", dropped)


def lossy(made: Recording, tap: str, dropped: int) -> Recording:
    """The recording, had a tap lost frames."""
    taps = tuple(one.model_copy(update={"dropped": dropped}) if one.name == tap else one for one in made.record.taps)
    return Recording(made.folder, made.record.model_copy(update={"taps": taps}), made.capture)


def looks_at_window(case: Case) -> None:
    case.window("idle")
    case.expect(True, expected="silence", seen="silence")


def looks_at_tap(case: Case) -> None:
    case.tap("a1:eth0")
    case.expect(True, expected="frames", seen="frames")


@pytest.mark.parametrize(
    ("made", "verdict", "text"),
    [
        (watched(), Verdict.PASS, "so in 1 of 1"),
        (watched(seen=False), Verdict.INCONCLUSIVE, "1 canaries around the window idle were not seen"),
        (watched(name="other"), Verdict.INCONCLUSIVE, "no window idle"),
    ],
)
def test_absence_is_proved_by_canaries_on_a_tap_that_lost_nothing(made: Recording, verdict: Verdict, text: str) -> None:
    found = judged(looks_at_window, made)
    assert found.verdict is verdict
    assert text in found.seen


def test_a_tap_that_lost_frames_proves_nothing() -> None:
    with pytest.raises(Exception, match="lost 2 frames"):
        Case(watched(dropped=2), {}).window("idle")
    with pytest.raises(Exception, match="lost 1 frames"):
        Case(watched(dropped=1), {}).tap("a1:eth0")
    assert judged(looks_at_tap, watched()).verdict is Verdict.PASS
    assert "no tap" in judged(looks_at_tap, recording()).seen


def test_what_a_check_expects_decides() -> None:
    def says(*holds: object) -> Judgement:
        def check(case: Case) -> None:
            for number, one in enumerate(holds, 1):
                case.expect(one, expected=f"expected {number}", seen=f"seen {number}")

        return judged(check, recording())

    assert says().verdict is Verdict.INCONCLUSIVE
    assert says(True, 1).verdict is Verdict.PASS
    assert says(True, 1).seen == "so in 2 of 2 observations"
    assert says(True, False, None).verdict is Verdict.FAIL
    assert (says(True, False, None).expected, says(True, False, None).seen) == (
        "expected 2",
        "seen 2 (2 of 3 observations)",
    )
    assert says(False).seen == "seen 1"
    assert says(False).evidence == ()


def test_what_a_check_requires_comes_before_its_verdict() -> None:
    def check(case: Case) -> None:
        case.note("a note")
        case.note("a note")
        case.expect(False, expected="a", seen="b")
        case.require(case.parameters["needed"] != "no", "it is missing")
        case.applies(case.parameters["needed"] != "elsewhere", "it is elsewhere")

    assert judged(check, recording(), needed="yes").verdict is Verdict.FAIL
    undecided = judged(check, recording(), needed="no")
    assert (undecided.verdict, undecided.seen, undecided.notes) == (Verdict.INCONCLUSIVE, "it is missing", ("a note",))
    elsewhere = judged(check, recording(), needed="elsewhere")
    assert (elsewhere.verdict, elsewhere.notes) == (Verdict.NOT_APPLICABLE, ("a note",))


def test_no_check_judges_a_recording_with_a_problem_or_damage() -> None:
    def check(case: Case) -> None:
        case.expect(True, expected="a", seen="a")

    assert judged(check, recording(problem="it did not start")).verdict is Verdict.INCONCLUSIVE
    whole = recording(endpoints=[endpoint("a1")], frames=[frame("a1:eth0")])
    assert judged(check, whole).verdict is Verdict.PASS
    assert isinstance(whole.capture, bytes)
    broken = Recording(Path("x"), whole.record, whole.capture[:-8])
    assert judged(check, broken).verdict is Verdict.INCONCLUSIVE
    assert "damaged" in judged(check, broken).seen


def test_an_exception_is_an_error_of_ours_or_nothing_that_a_check_of_others_decides() -> None:
    ours = judge(attrgetter("family"), Case(recording(), {}))
    assert (ours.verdict, ours.seen) == (Verdict.ERROR, "KeyError: 'family'")

    def check(case: Case) -> None:
        case.expect(False, expected="a", seen="b")
        raise KeyError("x")

    theirs = judge(check, Case(recording(), {}))
    assert theirs.verdict is Verdict.INCONCLUSIVE
    assert "KeyError: 'x'" in theirs.seen


def test_deciding_frames_are_shown_with_the_time_since_the_recording_began() -> None:
    made = recording(
        endpoints=[endpoint("a1")], frames=[frame("a1:eth0", bytes([number]), number) for number in range(30)]
    )

    def check(case: Case) -> None:
        case.show(["a picture"])
        case.figures |= {"b": 2, "a": 1}
        case.expect(False, expected="none", seen="many", frames=range(2, 26))
        case.expect(False, expected="none", seen="more", frames=range(20, 31))

    found = judged(check, made)
    frames, picture = found.evidence
    assert frames.frames == tuple(range(2, 2 + NUMBERED))
    assert len(frames.lines) == SHOWN
    assert frames.lines[0].startswith("2 a1:eth0 ")
    assert frames.times == tuple(number * SECOND for number in range(1, 1 + SHOWN))
    assert picture.lines == ("a picture",)
    assert found.figures == (("a", 1), ("b", 2))


FLOWS = [
    flow("a1", "a2", number=1),
    flow("a1", "a2", number=2, family="ipv6"),
    flow("a1", "a2", number=3, protocol="tcp"),
    flow("a1", "b1", number=4, path="cross-host"),
    flow("a1", "a2", number=5, purpose="ports"),
    flow("a1", "a2", number=6, status="timeout"),
]


def ids(flows: list[Flow]) -> list[int]:
    return [one.id for one in flows]


def test_flows_are_those_of_the_case_unless_asked_otherwise() -> None:
    case = Case(recording(flows=reversed(FLOWS)), {"family": "ipv4", "protocol": "udp", "path": "same-host"})
    assert ids(case.flows(purpose="reach")) == [1, 6]
    assert ids(case.flows(purpose=("reach", "ports"))) == [1, 5, 6]
    assert ids(case.flows(purpose="reach", protocol="tcp")) == [3]
    assert ids(case.flows(purpose="reach", path=("same-host", "cross-host"))) == [1, 4, 6]
    assert ids(case.of_family("ipv6").flows(purpose="reach")) == [2]
    assert ids(case.delivered(purpose="reach")) == [1]
    with pytest.raises(Exception, match="no such flow"):
        case.flows(purpose="none")
    with pytest.raises(Exception, match="none of 1 flows arrived"):
        Case(recording(flows=FLOWS[5:]), case.parameters).delivered(purpose="reach")


def test_what_is_expected_of_one_family_counts_for_the_case() -> None:
    case = Case(recording(), {"family": "ipv4"})
    case.of_family("ipv6").expect(False, expected="a", seen="b")
    assert case.judgement().verdict is Verdict.FAIL


def test_addresses_are_those_of_the_family_and_scope() -> None:
    one = endpoint("a1", addresses=["192.0.2.1/24", "2001:db8::1/64"])
    made = recording(endpoints=[one])
    assert [a.address for a in Case(made, {"family": "ipv4"}).addresses(one)] == ["192.0.2.1"]
    assert [a.address for a in Case(made, {"family": "ipv6"}).addresses(one)] == ["2001:db8::1"]
    assert len(Case(made, {}).addresses(one)) == 2
    assert Case(made, {}).addresses(one, "link") == []


def test_snapshots_are_of_a_place_and_a_moment() -> None:
    made = recording(
        snapshots=[
            Snapshot(where=where, moment=moment, time_ns=BEGAN)
            for where in ("h1", "h2")
            for moment in ("before", "after")
        ]
    )
    case = Case(made, {})
    assert [(one.where, one.moment) for one in case.snapshots("h1", "after")] == [("h1", "after")]
    assert [one.where for one in case.snapshots(moment="after")] == ["h1", "h2"]
    assert len(case.snapshots()) == 4


@pytest.mark.parametrize("watched", [True, False])
def test_a_tap_may_be_there_from_the_start(watched: bool) -> None:
    event = Watched(time_ns=BEGAN, where="a1", from_start=watched)
    assert Case(recording(events=[event]), {}).watched_from_start(endpoint("a1")) is watched
    assert Case(recording(events=[event]), {}).watched_from_start(endpoint("a2")) is False


def test_flows_and_sockets_in_words() -> None:
    assert describe(flow("a1", "a2")) == "udp a1 192.0.2.1:40000 -> a2 192.0.2.2:8080"
    bare = flow("a1", "a2", protocol="ip").model_copy(update={"number": 253, "local": None})
    assert describe(bare) == "protocol 253 a1 -> a2 192.0.2.2:8080"
    assert (socket_text("2001:db8::1", 80), socket_text("192.0.2.1", 0)) == ("[2001:db8::1]:80", "192.0.2.1")


def late(seconds: float, at: float = 0.0) -> TimerLate:
    return TimerLate(time_ns=BEGAN + round(at * SECOND), seconds=seconds)


def test_lateness_is_the_greatest_about_that_time() -> None:
    record = recording(events=[late(0.5), late(1.5, 10), Carrier(time_ns=BEGAN, up=True)]).record
    assert lateness(record) == 1.5
    assert lateness(record, (BEGAN, BEGAN + SECOND)) == 0.5
    assert lateness(record, (BEGAN + 9 * SECOND, BEGAN + 9 * SECOND)) == 1.5
    assert lateness(record, (BEGAN + 11 * SECOND, BEGAN + 12 * SECOND)) == 1.5
    assert lateness(record, (BEGAN + 12 * SECOND, BEGAN + 13 * SECOND)) == 0.0


@pytest.mark.parametrize(("seconds", "noted"), [(MENTIONED, False), (MENTIONED + 0.1, True), (STANDSTILL - 0.1, True)])
def test_our_own_lateness_is_allowed_to_others(seconds: float, noted: bool) -> None:
    case = Case(recording(events=[late(seconds)]), {})
    assert slack(case) == seconds
    assert bool(case.notes) is noted


def test_nothing_is_judged_of_a_machine_that_stood_still() -> None:
    with pytest.raises(Exception, match="stood still"):
        slack(Case(recording(events=[late(3.0)]), {}))


def test_only_an_unhurried_machine_holds_lateness_against_others() -> None:
    busy, calm = (Case(recording(events=[late(seconds)]), {}) for seconds in (1.0, 0.9))
    unhurried(busy, True)
    unhurried(calm, False)
    with pytest.raises(Exception, match="busy"):
        unhurried(busy, False)


def test_intervals_median_and_the_busiest_second() -> None:
    times = [3 * SECOND, 0, SECOND, SECOND + 1]
    assert intervals(times) == [1.0, 1e-9, 2 - 1e-9]
    assert (median([3, 1, 2]), median([4, 1, 2, 3])) == (2, 3)
    assert busiest(times, 1.0) == 2
    assert busiest([0, SECOND], 1.0) == 1
    assert busiest([], 1.0) == 0


# A tap and a window among others


def test_a_tap_or_window_is_the_one_of_that_name() -> None:
    windows = [Window(name=name, start_ns=BEGAN, end_ns=BEGAN + number) for number, name in enumerate(("a", "b"))]
    case = Case(recording(endpoints=[endpoint("a1"), endpoint("a2")], windows=windows), {})
    assert case.tap("a2:eth0").name == "a2:eth0"
    assert case.window("b").end_ns == BEGAN + 1


def test_what_is_expected_of_a_flow_points_at_its_frames_where_it_does_not_hold() -> None:
    one = flow("a1", "a2", number=7)
    made = recording(endpoints=[endpoint("a1")], flows=[one], frames=[frame("a1:eth0"), marked(7, after=1.0)])
    case = Case(made, {})
    assert case.frames_of(one) == [2]
    assert case.frames_of(flow("a1", "a2", number=8)) == []
    case.expect_flow(one, True, expected="an answer", seen="answered")
    assert case.judgement().verdict is Verdict.PASS
    case.expect_flow(one, False, expected="an answer", seen="silence")
    found = case.judgement()
    assert (found.verdict, found.seen) == (Verdict.FAIL, f"{describe(one)}: silence (1 of 2 observations)")
    assert [shown.frames for shown in found.evidence] == [(2,)]


def test_one_of_several_failures_with_frames_is_evidence() -> None:
    case = Case(recording(endpoints=[endpoint("a1")], frames=[frame("a1:eth0")]), {})
    case.expect(False, expected="a", seen="b")
    case.expect(False, expected="a", seen="c", frames=[1])
    assert [shown.frames for shown in case.judgement().evidence] == [(1,)]


def test_a_case_knows_the_plain_wire_and_its_parameters() -> None:
    case = Case(recording(profile="plain-wire", endpoints=[endpoint("a1")]), {"family": "ipv6", "protocol": "tcp"})
    assert case.control
    assert not Case(recording(), {}).control
    assert (case.family, case.protocol, case.profile.name) == ("ipv6", "tcp", "plain-wire")
    assert [one.name for one in case.endpoints] == ["a1"]
    with pytest.raises(ValueError, match="none of"):
        _ = Case(recording(), {"family": "ipv5"}).family
