"""Recordings made by hand are judged like any other."""

from __future__ import annotations

import pytest

from conformance.errors import UsageError
from conformance.families.route.checks import test_same_host as same_host
from conformance.recording.events.attaching import Watched
from conformance.recording.model import PortState
from conformance.testing import Frame, after, compared, endpoint, flow, judged, recording, snapshot
from conformance.verdict import Verdict

ENDS = [endpoint("h1a"), endpoint("h1b", addresses=["192.0.2.2/24"])]


@pytest.mark.parametrize(("status", "verdict"), [("answered", Verdict.PASS), ("timeout", Verdict.FAIL)])
def test_a_check_judges_what_was_made_by_hand(status: str, verdict: Verdict) -> None:
    made = recording(endpoints=ENDS, flows=[flow("h1a", "h1b").model_copy(update={"status": status})])
    said = judged(same_host, made, family="ipv4", protocol="udp")
    assert said.verdict is verdict, said.seen


def test_nothing_was_sent_by_hand() -> None:
    assert judged(same_host, recording(), family="ipv4", protocol="udp").verdict is Verdict.INCONCLUSIVE


def test_frames_are_on_their_taps_in_the_order_of_their_times() -> None:
    late, early = bytes(14), bytes(20)
    made = recording(endpoints=ENDS, frames=[Frame("h1:eth0", late, 0.5), Frame("h1a:eth0", early, 0.1)])
    assert made.damage is None
    assert [made.frames.frame(row) for row in range(2)] == [early, late]
    assert [(tap.name, tap.role, tap.captured) for tap in made.record.taps] == [
        ("h1a:eth0", "endpoint", 1),
        ("h1b:eth0", "endpoint", 0),
        ("h1:eth0", "uplink", 1),
    ]


def test_ports_have_a_tap_at_each_end() -> None:
    port = PortState(name="1", host="h1", tap="h1:p1", partner="partners:w1", partner_mac="00:00:5e:00:53:02")
    taps = recording(profile="reference-lldp", testbed="links", scenario="lldp", ports=[port]).record.taps
    assert [(tap.name, tap.role) for tap in taps] == [("h1:p1", "port"), ("partners:w1", "partner")]


def test_a_name_that_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match="no profile of that name"):
        recording(profile="flat-bridg")


def test_a_recording_is_compared_with_what_is_expected_of_it() -> None:
    lost = recording(
        endpoints=ENDS,
        flows=[flow("h1a", "h1b", status="timeout")],
        events=[Watched(where="h1a", time_ns=after(0.5), from_start=True)],
        snapshots=[snapshot("h1", neighbours=[{"address": "192.0.2.2", "mac": "00:00:5e:00:53:02"}])],
    )
    assert not compared(lost, {"route.same-host family=ipv4 protocol=udp": Verdict.FAIL})
    assert compared(lost, {"route.same-host family=ipv4 protocol=udp": Verdict.PASS}) == [
        "route.same-host (family=ipv4 protocol=udp): fail in place of pass"
    ]
    (line,) = compared(lost, {"lldp.interval": Verdict.PASS})
    assert "no check of the scenario reachability decides it" in line
    assert lost.record.events[0].time_ns - lost.record.snapshots[0].time_ns == 500_000_000
