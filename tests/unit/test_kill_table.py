"""The kill table tells every way in which a fault is not killed, and a false alarm on a sound network."""

from __future__ import annotations

import dataclasses

import pytest

from conformance.selftest import grid
from conformance.selftest.fault import Fault
from conformance.selftest.kill_table import HEADINGS, lines, row, summary
from conformance.selftest.trial import Trial

FAULT = Fault(name="leaky", title="it leaks", fails=frozenset({"a.one"}), labels=("F-A-01",), witness=lambda _: "seen")
PLACE = ("routed-64", "same-subnet")
KILLED = Trial(
    place=PLACE,
    expected=frozenset({"a.one", "a.design"}),
    failed={"a.one": "it leaked", "a.design": "as always"},
    undecided={},
    noted=frozenset(),
    broken=(),
    witness="3 packets",
    fault=FAULT,
)
SOUND = dataclasses.replace(KILLED, expected=frozenset({"a.design"}), failed={"a.design": ""}, witness=None, fault=None)


def test_a_fault_that_fails_what_it_names_is_killed() -> None:
    assert KILLED.verdict == "killed"
    assert row(KILLED) == ("leaky", "F-A-01", "routed-64 on same-subnet", "a.one", "killed", "", "", "3 packets")


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"failed": {"a.design": ""}}, "missed"),
        ({"failed": {**KILLED.failed, "b.two": "x"}}, "extra"),
        ({"failed": {"b.two": "x"}}, "missed"),
        ({"witness": None}, "no witness"),
        ({"broken": ("idle: no lab",)}, "error"),
        ({"fault": dataclasses.replace(FAULT, notes=frozenset({"c.three"}))}, "missed"),
    ],
)
def test_every_other_way_has_its_word(change: dict[str, object], verdict: str) -> None:
    trial = dataclasses.replace(KILLED, **change)  # type: ignore[arg-type]
    assert trial.verdict == verdict
    assert verdict in row(trial)[HEADINGS.index("verdict")]


def test_a_sound_network_that_fails_is_a_false_alarm() -> None:
    assert SOUND.verdict == "sound"
    alarm = dataclasses.replace(SOUND, failed={"a.design": "", "b.two": "x"})
    assert alarm.verdict == "false alarm"
    assert summary([KILLED, alarm], ["d.four"]) == (
        "1 of 1 faults killed (100 %); 1 false alarms on 2 networks, 1 of them sound; "
        "checked requirements without a fault: d.four"
    )


def test_a_wrong_trial_is_disturbed_where_our_own_timers_were_late() -> None:
    missed = dataclasses.replace(KILLED, failed={})
    assert not missed.disturbed
    assert dataclasses.replace(missed, late=0.5).disturbed
    assert not dataclasses.replace(KILLED, late=0.5).disturbed
    assert row(dataclasses.replace(KILLED, again=True))[HEADINGS.index("verdict")] == "killed (second trial)"


def test_markdown_has_a_row_for_each_network() -> None:
    made = list(lines([KILLED, SOUND], markdown=True))
    assert len(made) == 4
    assert {line.count("|") for line in made} == {len(HEADINGS) + 1}


def test_the_grid_has_a_sign_for_every_case() -> None:
    extra = dataclasses.replace(KILLED, failed={"a.design": "", "b.two": ""})
    said = {name: grid.sign(extra, name) for name in ("a.one", "a.design", "b.two", "c.three")}
    assert said == {"a.one": grid.MISSED, "a.design": grid.DESIGNED, "b.two": grid.EXTRA, "c.three": grid.QUIET}
    assert grid.sign(KILLED, "a.one") == grid.KILLED
    data = grid.as_data([KILLED, SOUND, extra], ["d.four"], ["e.five"])
    assert (data["faults"], data["killed"], data["false_alarms"]) == (2, 1, 1)
    assert data["networks"][1]["name"] == "sound routed-64 on same-subnet"


def test_the_grid_goes_family_by_family() -> None:
    real = dataclasses.replace(
        KILLED,
        expected=frozenset({"nat.idle-flow"}),
        failed={"nat.idle-flow": ""},
        fault=dataclasses.replace(FAULT, fails=frozenset({"nat.idle-flow"})),
    )
    checked = ["nat.tcp-untranslated", "nat.idle-flow", "route.same-host"]
    text = list(grid.text([real, SOUND], checked))
    assert text[1].split() == ["nat", "1", "2"]
    assert text[2].split() == ["leaky", "·", "✗"]
    assert "route" not in " ".join(text), "a family that nobody fails has no grid"
    assert "| leaky | · | ✗ |" in list(grid.markdown([real], checked))


def test_a_fault_that_nothing_tells_of_is_refused() -> None:
    with pytest.raises(ValueError, match="proves nothing"):
        Fault(name="mute", title="nobody sees it")
