"""Two implementations in one lab: what passes between them, and whose side it is where nothing does."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import outcomes, plugfest

from conformance.report.model import canonical_outcomes
from conformance.report.render import pairs
from conformance.report.store import collect, read
from conformance.verdict import Verdict

pytestmark = [pytest.mark.outside, pytest.mark.lab]

NAMES = ("routed-64", "nat-bridge", "flat-bridge")
BROKEN = ("pair.delivers", "pair.sends")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    ended = plugfest(folder, "run", "--pair", *NAMES, "--out", "out")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "nat-bridge fail (pair.delivers, pair.sends)" in ended.stdout
    return folder / "out"


def test_a_failing_pair_says_whose_side_it_is(run: Path) -> None:
    (meetings,) = pairs.tables(collect([run])).values()
    timers = {meeting.names: (meeting.verdict, meeting.sides, meeting.broken) for meeting in meetings}
    good, bad = Verdict.PASS, Verdict.FAIL
    assert timers == {
        ("routed-64", "flat-bridge"): (good, (good, good), ((), ())),
        ("routed-64", "nat-bridge"): (bad, (good, bad), ((), BROKEN)),
        ("nat-bridge", "flat-bridge"): (bad, (bad, good), (BROKEN, ())),
    }


def test_what_fails_is_the_translation_of_one_way_and_the_silence_of_the_other(run: Path) -> None:
    report = read(run / "nat-bridge_x_flat-bridge")
    failed = {
        (one.requirement, one.parameters.get("direction"), one.parameters.get("side"))
        for one in report.outcomes
        if one.verdict is Verdict.FAIL
    }
    assert failed == {
        ("pair.addresses-kept", "left-to-right", None),
        ("pair.reach", "right-to-left", None),
        ("pair.sends", None, "left"),
        ("pair.delivers", None, "left"),
    }
    for one in report.outcomes:
        if one.verdict is Verdict.FAIL:
            assert one.evidence, one.requirement
            assert "nat-bridge" in one.seen
            assert "flat-bridge (right) breaks" not in one.seen


def test_the_plain_wires_met_first(run: Path) -> None:
    for name in ("routed-64_x_flat-bridge", "routed-64_x_nat-bridge"):
        control = read(run / name).control
        assert control is not None
        assert not control.problems
        met = [one for one in outcomes(run / name / "report.json") if one["verdict"] != "not-applicable"]
        assert control.counts[Verdict.PASS] == len(met)


def test_it_is_judged_again_to_the_same_bytes(run: Path, tmp_path: Path) -> None:
    assert plugfest(tmp_path, "judge", run, "--out", "again").returncode == 1
    for name in ("routed-64_x_flat-bridge", "nat-bridge_x_flat-bridge"):
        assert canonical_outcomes(read(run / name)) == canonical_outcomes(read(tmp_path / "again" / name))
    assert (tmp_path / "again" / "matrix.md").read_text().startswith("# Pairs\n")
