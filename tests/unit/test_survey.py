"""The survey alters what an implementation sent, and says which alterations changed no verdict."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.errors import UsageError
from conformance.family import families
from conformance.protocols.lldp import frames as lldp
from conformance.recording.model import PortState
from conformance.recording.store import Recording
from conformance.selftest.survey import survey as surveys
from conformance.selftest.survey.allowances import Allowance, Allowances, Scope, load, surveyed
from conformance.selftest.survey.alteration import Alteration
from conformance.selftest.survey.editing import Copied, Edit, edited
from conformance.selftest.survey.judging import Bench
from conformance.selftest.survey.rows import rows
from conformance.selftest.survey.sent import Trace
from conformance.selftest.survey.survey import Result, Survey, population
from conformance.selftest.survey.table import lines, summary
from conformance.testing import Frame, endpoint, flow, recording

OURS, THEIRS = "00:00:5e:00:53:91", "00:00:5e:00:53:11"
PORT = PortState(name="port1", host="h1", mac=THEIRS, partner="partners:h1p1", partner_mac=OURS)
SCOPE = Scope(frames=("lldp",))


def pdu(mac: str, name: bytes = b"\x07port1") -> bytes:
    tlvs = [*lldp.mandatory(b"\x07switch", name, 121), lldp.tlv(lldp.SYSTEM_NAME, b"one")]
    return lldp.frame_of(bytes.fromhex(mac.replace(":", "")), tlvs)


def made() -> Recording:
    """Two LLDPDUs of an agent, and one of the partner's between them."""
    frames = [
        Frame("partners:h1p1", pdu(THEIRS), 0.1),
        Frame("partners:h1p1", pdu(OURS, b"\x07partner"), 0.2),
        Frame("partners:h1p1", pdu(THEIRS), 0.3),
    ]
    return recording(profile="reference-lldp", testbed="links", scenario="lldp", ports=[PORT], frames=frames)


def alterations(of: Recording, scope: Scope = SCOPE) -> Iterator[Alteration]:
    return population(of, scope, random.Random(0))


def noticed(field: str, how: str) -> str | None:
    """The requirement that notices that alteration of the recording."""
    sound = made()
    found = next(one for one in alterations(sound) if (one.field, one.how, one.extent) == (field, how, "one"))
    edit = found.edit()
    assert edit is not None
    said = Bench(sound).notices(found, edited(sound, edit))
    return None if said is None else said.requirement


def test_an_altered_ttl_is_noticed() -> None:
    assert noticed("lldp.ttl.value", "zero") == "lldp.ttl"


def test_altered_padding_survives_and_is_allowed() -> None:
    sound = made()
    padding = [one for one in alterations(sound) if one.field == "lldp.padding"]
    assert padding
    for one in padding:
        allowed = load(families()["lldp"]).of(one)
        assert allowed is not None
        assert allowed.clause.startswith("IEEE 802.1AB")


def test_only_frames_of_the_implementation_are_altered() -> None:
    sound = made()
    sent = [row for one in Trace(sound).frames_sent() for packet in one.packets for row in packet]
    assert sent == [0, 2]


def test_an_edited_recording_is_whole() -> None:
    sound = made()
    frame = sound.frames.frame(0)
    edits = [
        Edit(frames={0: frame[:20]}),
        Edit(gone=(0, 2)),
        Edit(times={0: int(sound.frames.time_ns[2]) + 1}),
        Edit(added=(Copied(1, int(sound.frames.time_ns[0]), int(sound.frames.tap[0]), frame),)),
    ]
    assert [len(edited(sound, edit).frames) for edit in edits] == [3, 1, 3, 4]
    assert [edited(sound, edit).damage for edit in edits] == [None] * 4
    assert edited(sound, edits[2]).frames.frame(2) == frame
    assert sound.damage is None


def test_every_alteration_alters_something_and_leaves_the_recording_whole() -> None:
    sound = made()
    for one in alterations(sound):
        edit = one.edit()
        assert edit is not None, one
        altered = edited(sound, edit)
        assert altered.damage is None, one
        whole = [(int(stamp), altered.frames.frame(row)) for row, stamp in enumerate(altered.frames.time_ns)]
        assert whole != [(int(stamp), sound.frames.frame(row)) for row, stamp in enumerate(sound.frames.time_ns)], one


def test_rows_and_values_of_a_record_have_names() -> None:
    sound = recording(endpoints=[endpoint("h1a")], flows=[flow("h1a", "h1b")])
    found = rows(sound, ["flows.status", "endpoints.reported_addresses", "endpoints.kernel.addresses*"])
    assert [one.value for one in found["flows.status"]] == ["answered"]
    assert [one.row for one in found["endpoints.reported_addresses"]] == [True, True]
    assert "endpoints.kernel.addresses.prefix_length" in found


def test_a_flow_that_did_not_arrive_is_noticed() -> None:
    ends = [endpoint("h1a"), endpoint("h1b", addresses=["192.0.2.2/24"])]
    sound = recording(endpoints=ends, flows=[flow("h1a", "h1b")])
    bench = Bench(sound)
    for one in alterations(sound, Scope(record=("flows.status",))):
        edit = one.edit()
        assert edit is not None
        said = bench.notices(one, edited(sound, edit))
        assert said is not None, one.how
        assert said.requirement.startswith("route.")


def test_an_inconclusive_verdict_is_noticed_only_where_an_observation_is_gone() -> None:
    sound = recording(endpoints=[endpoint("h1a")], flows=[flow("h1a", "h1b")])
    bench = Bench(sound)
    without = edited(sound, Edit(record=sound.record.model_copy(update={"problem": "the lab was gone"})))
    frame = Alteration("flow udp", "the packet", "gone", "here", lambda: None)
    row = Alteration("record flows", "the row", "gone", "here", lambda: None, destroys=True)
    assert bench.notices(frame, without) is None
    assert bench.notices(row, without) is not None


def test_an_allowance_speaks_of_the_ways_that_it_names() -> None:
    allowance = Allowance(subject="lldp", field="lldp.*", how=("zero",), clause="SUITE", reason="a test")
    of = Allowances(allowed=(allowance,))
    zero, ones = (Alteration("lldp", "lldp.ttl.value", how, "here", lambda: None) for how in ("zero", "all ones"))
    assert of.of(zero) is allowance
    assert of.of(ones) is None


@pytest.mark.parametrize("family", surveyed())
def test_the_allowances_of_every_family_are_in_order(family: str) -> None:
    data = load(families()[family])
    assert data.survey.frames or data.survey.record
    assert len({(one.subject, one.field, one.how) for one in data.allowed}) == len(data.allowed)


def test_a_survey_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'lldp'"):
        surveys.survey("llpd", tmp_path)
    with pytest.raises(UsageError, match=r"growth: it has no allowances\.toml"):
        surveys.survey("growth", tmp_path)
    with pytest.raises(UsageError, match="it has no sound recording of a scenario that lldp is judged by"):
        surveys.survey("lldp", tmp_path)


def test_the_table_has_a_line_for_each_field_with_a_survivor() -> None:
    results = [
        Result(Alteration("lldp", field, how, "here", lambda: None), None, None)
        for field, how in [("lldp.ttl.value", "zero"), ("lldp.ttl.value", "zero"), ("lldp.ttl.value", "all ones")]
    ]
    made_up = Survey("lldp", ("one",), results)
    shown = list(lines(made_up))
    assert shown[0] == "lldp"
    assert shown[1].split() == ["lldp.ttl.value", "one", "0/3", "survived:", "all", "ones", "1,", "zero", "2"]
    assert summary(made_up) in shown
    assert "      zero: here" in list(lines(made_up, verbose=True))


def test_the_same_seed_draws_the_same_sample() -> None:
    drawn = [[(one.stratum, one.place) for one in population(made(), SCOPE, random.Random("lldp 1"))] for _ in range(2)]
    assert drawn[0] == drawn[1]
