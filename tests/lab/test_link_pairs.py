"""Real implementations on the two ends of the same cables: the verdicts on what passed are those that are true."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command import plugfest

from conformance.protocols import ethertypes
from conformance.recording.events import events_in
from conformance.recording.events.meeting import BlackHoleBegun, CableJoined
from conformance.recording.store import find, load
from conformance.report.model import Report, canonical_outcomes
from conformance.report.render import pairs
from conformance.report.store import collect, read
from conformance.verdict import Verdict

pytestmark = [pytest.mark.outside, pytest.mark.lab, pytest.mark.peers]

GOOD = Verdict.PASS
MEETINGS = {
    ("lldpd", "lldpd"): ("lldpd",),
    ("ovs-bond", "reference-lacp"): ("ovs-vswitchd",),
    ("linux-bridge", "ovs-bridge"): ("ovs-vswitchd",),
    ("ladvd", "networkd"): ("ladvd", "networkctl"),
}
"""Those that meet here, at the same time, and what has to be installed."""


@pytest.fixture(scope="module")
def meetings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0:
        pytest.skip("real peers need root")
    folder = tmp_path_factory.mktemp("links")
    with ThreadPoolExecutor() as threads:
        runs = {
            names: threads.submit(plugfest, folder, "run", "--pair", *names, "--out", "_x_".join(names))
            for names, programs in MEETINGS.items()
            if all(shutil.which(program, path="/usr/sbin:/usr/bin") for program in programs)
        }
    for names, run in runs.items():
        ended = run.result()
        assert ended.returncode in (0, 1, 3), f"{names}: {ended.stdout}{ended.stderr}"
    return folder


def met(meetings: Path, *names: str) -> tuple[pairs.Meeting, Report]:
    """The meeting of two of them; skips where one is not here, or the machine had no time for a verdict."""
    place = meetings / "_x_".join(names)
    if not place.exists():
        pytest.skip(f"needs {' '.join(names)}")
    (report,) = collect([place])
    if report.header.unavailable is not None:
        pytest.skip(report.header.unavailable.reason)
    disturbed = [
        one.seen for one in report.outcomes if one.verdict is Verdict.INCONCLUSIVE and "the machine" in one.seen
    ]
    if disturbed:
        pytest.skip(disturbed[0])
    ((meeting,),) = pairs.tables([report]).values()
    assert meeting.names == names
    return meeting, report


@pytest.mark.parametrize("names", [*MEETINGS][:3], ids=" and ".join)
def test_two_of_them_interoperate_and_neither_is_to_blame(names: tuple[str, str], meetings: Path) -> None:
    meeting, _ = met(meetings, *names)
    assert (meeting.verdict, meeting.sides, meeting.broken) == (GOOD, (GOOD, GOOD), ((), ()))
    place = meetings / "_x_".join(names)
    assert "_x_".join(names).replace("_", "\\_") in (place / "matrix.md").read_text()
    assert "_x_".join(names) in (place / "junit.xml").read_text()


def test_who_does_not_show_a_neighbour_is_named(meetings: Path) -> None:
    """systemd-networkd passes over who tells capabilities of which none is enabled, as ladvd does on a plain host."""
    meeting, report = met(meetings, "ladvd", "networkd")
    assert (meeting.verdict, meeting.sides) == (Verdict.FAIL, (GOOD, Verdict.FAIL))
    assert meeting.broken == ((), ("pair.lldp-hears",))
    (shown,) = (
        one
        for one in report.outcomes
        if one.requirement == "pair.lldp-shown" and one.parameters["direction"] == "left-to-right"
    )
    assert "networkd (right) breaks pair.lldp-hears" in shown.seen
    assert shown.evidence


def test_a_meeting_is_judged_again_to_the_same_bytes(meetings: Path) -> None:
    pair = "linux-bridge_x_ovs-bridge"
    if not (meetings / pair).exists():
        pytest.skip("needs ovs-vswitchd")
    ended = plugfest(meetings, "judge", pair, "--out", "again")
    assert ended.returncode in (0, 3), ended.stderr
    assert canonical_outcomes(read(meetings / pair / pair)) == canonical_outcomes(read(meetings / "again" / pair))


def test_what_one_sends_is_what_the_other_hears(meetings: Path) -> None:
    """Every frame that left one port arrived at the other, but for the time in which the cable was deaf."""
    place = meetings / "lldpd_x_lldpd"
    if not place.exists():
        pytest.skip("needs lldpd")
    (recording,) = map(load, find(place / "lldpd_x_lldpd"))
    record, frames = recording.record, recording.frames
    deaf = next(event.time_ns for event in events_in(record, BlackHoleBegun))
    joined = next(event.time_ns for event in events_in(record, CableJoined))
    taps = {tap.name: tap.number for tap in record.taps}
    sent = frames.select(
        tap=taps["h1:port2"], ethertype=ethertypes.LLDP, outbound=True, between=(joined, record.finished_ns)
    )
    heard = frames.select(tap=taps["h2:port2"], ethertype=ethertypes.LLDP, outbound=False)
    assert len(sent) == len(heard) > 2
    assert [frames.frame(int(row)) for row in sent] == [frames.frame(int(row)) for row in heard]
    quiet = deaf, deaf + 8 * 10**9
    assert not len(frames.select(tap=taps["h2:port1"], ethertype=ethertypes.LLDP, outbound=False, between=quiet))
