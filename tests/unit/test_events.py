"""The typed vocabulary of a recording: what a scenario writes is what a check reads, on disk as it always was."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import jsonschema
import pytest

from conformance.commands.schemas import schema_of
from conformance.judging.case import Case, Undecided
from conformance.judging.timing import lateness
from conformance.recording.events import Event, MalformedEventError, events_in, row_of
from conformance.recording.events.links import CablePlain, Carrier, GroupMade, TimerLate
from conformance.recording.events.tables import Counters, FdbEntry, TableShown
from conformance.recording.events.vocabulary import areas
from conformance.recording.model import EventRow, Record
from conformance.recording.store import Recording
from conformance.requirement import catalogue
from conformance.testing import judged, recording
from conformance.upkeep.architecture import PACKAGE
from conformance.verdict import Verdict


def kinds() -> Iterator[type[Event]]:
    for _, found in areas():
        yield from found


def with_row(row: EventRow) -> Recording:
    made = recording()
    return replace(made, record=made.record.model_copy(update={"events": (row,)}))


def test_an_event_lies_on_disk_as_a_row_and_comes_back() -> None:
    sent = [
        Carrier(time_ns=5, where="port1", up=False),
        GroupMade(time_ns=6, where="sound", ports=("port2", "port3")),
        TableShown(time_ns=7, where="h1", what="stations", asked_ns=1, answered_ns=2, rows=(FdbEntry("m", "p"),)),
        TableShown(time_ns=8, where="h1", what="counters", asked_ns=1, answered_ns=2, rows=(Counters("p", 1, 2),)),
    ]
    text = recording(events=sent).record.model_dump_json(by_alias=True, exclude_defaults=True)
    assert json.loads(text)["events"][:2] == [
        {"time_ns": 5, "kind": "carrier", "where": "port1", "detail": {"up": False}},
        {"time_ns": 6, "kind": "group", "where": "sound", "detail": {"ports": ["port2", "port3"]}},
    ]
    record = Record.model_validate_json(text)
    for one in sent:
        assert one in list(events_in(record, type(one)))


def test_a_check_asks_for_one_event_or_for_all() -> None:
    case = Case(recording(events=[Carrier(where="a", up=False), Carrier(where="b", up=True)]), {})
    assert case.the(Carrier).where == "a"
    assert [one.where for one in case.all(Carrier)] == ["a", "b"]
    assert case.the(Carrier, where="b").up
    with pytest.raises(Undecided, match="c: the scenario did not come to carrier"):
        case.the(Carrier, where="c")
    with pytest.raises(Undecided, match="nobody took it"):
        case.the(Carrier, where="c", otherwise="nobody took it")


@pytest.mark.parametrize(
    ("detail", "said"),
    [({}, "up: field required"), ({"up": "perhaps"}, "up: input should be a valid boolean")],
    ids=["missing", "wrong"],
)
def test_a_detail_that_is_not_of_its_kind_is_one_line_and_no_error_of_ours(detail: dict[str, str], said: str) -> None:
    made = with_row(EventRow(time_ns=1, kind="carrier", where="port1", detail=detail))
    outcome = judged(lambda case: case.require(case.all(Carrier), ""), made)
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert outcome.seen.startswith(f"the recording is damaged: the event carrier of port1: {said}")
    assert "\n" not in outcome.seen
    with pytest.raises(MalformedEventError):
        lateness(with_row(EventRow(time_ns=1, kind="late")).record)


def test_what_a_class_does_not_have_is_passed_over() -> None:
    made = with_row(EventRow(time_ns=1, kind="late", detail={"seconds": 2, "since": "yesterday"}))
    assert list(events_in(made.record, TimerLate)) == [TimerLate(time_ns=1, seconds=2.0)]


def test_a_family_of_another_distribution_declares_kinds_of_its_own() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Rebooted(Event, kind="other-rebooted"):
        """It was restarted."""

        times: int

    case = Case(recording(events=[Rebooted(where="h1", times=3)]), {})
    assert case.the(Rebooted).times == 3


def test_every_kind_is_frozen_and_documented() -> None:
    known = {**catalogue()}
    for each in kinds():
        text = " ".join((each.__doc__ or "").split())
        assert "ritten by" in text, f"{each.__name__}: who writes it"
        assert "ead by" in text, f"{each.__name__}: who reads it"
        for name in re.findall(r"`([a-z]+\.[a-z][a-z0-9-]+)`", text):
            assert name in known, f"{each.__name__}: there is no requirement {name}"
        assert hash(each) is not None
    assert CablePlain in kinds()


def named_in(*roles: str) -> set[str]:
    """The names of kinds that modules of these folders name, or files whose names begin so."""
    names = {each.__name__ for each in kinds()}
    found: set[str] = set()
    for path in [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "bench").glob("*.py")]:
        place = str(path.relative_to(PACKAGE.parent))
        if any(role in place for role in roles):
            tree = ast.parse(path.read_text())
            found |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & names
    return found


def test_every_kind_is_written_by_somebody_and_read_by_somebody() -> None:
    known = {each.__name__ for each in kinds()}
    assert known - named_in("/scenario", "provoking/", "lab/") == set(), "no scenario writes these"
    assert known - named_in("/checks", "/evidence", "judging/", "/faults", "bench/") == set(), "nothing reads these"


def test_no_string_crosses_from_scenarios_to_checks() -> None:
    for path in PACKAGE.rglob("*.py"):
        place = str(path.relative_to(PACKAGE))
        if place.startswith(("families/", "judging/", "provoking/", "selftest/", "running/")):
            assert "record.events" not in path.read_text().replace("in record.events", ""), f"{place} reads rows"


def test_the_schema_of_recordings_knows_the_detail_of_every_kind() -> None:
    schema = json.loads(schema_of("recording"))
    rows = {"$ref": "#/$defs/EventRow", "$defs": schema["$defs"]}
    validator = jsonschema.Draft202012Validator(rows)
    good = json.loads(row_of(GroupMade(time_ns=1, where="sound", ports=("port1",))).model_dump_json())
    validator.validate(good)
    validator.validate({"time_ns": 1, "kind": "changed", "detail": {"system": "changed-20"}})
    validator.validate({"time_ns": 1, "kind": "changed", "detail": {"what": "key", "value": 7}})
    validator.validate({"time_ns": 1, "kind": "of-another-distribution", "detail": {"x": []}})
    for wrong in ({"ports": "port1"}, {}):
        assert not validator.is_valid({**good, "detail": wrong})
    assert not validator.is_valid({"time_ns": 1, "kind": "group"})
    assert validator.is_valid({"time_ns": 1, "kind": "leave"})
