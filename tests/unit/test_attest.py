"""What a manifest attests: any change of a recording, a report, a verdict or the suite is named with its place."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest

from conformance import profile as profiles
from conformance.attest import blocks, manifest
from conformance.attest import statement as statements
from conformance.attest.compare import absent, outcome_changes, recording_changes, report_changes, suite_changes
from conformance.attest.manifest import Manifest
from conformance.attest.statement import sign, signature, statement
from conformance.errors import UsageError
from conformance.recording.store import FRAMES, RECORD, Recording
from conformance.report import store
from conformance.report.assemble import control_of, from_outcomes
from conformance.report.model import Header, Implementation, Report
from conformance.testing.recordings import Frame, endpoint, recording
from conformance.verdict import Attempt, Judgement, Outcome, Verdict

PROFILE = profiles.load("flat-bridge")
PLACE = "recordings/same-subnet-reachability-1"
FRAME = bytes.fromhex("00005e00530200005e00530188b5").ljust(1000, b"\0")
VERDICTS = {"route.same-host": Verdict.PASS, "nat.same-host": Verdict.FAIL, "mtu.usable": Verdict.INCONCLUSIVE}


def header(**changes: Any) -> Header:
    given: dict[str, Any] = {
        "version": "0.1.0",
        "catalogue": "c" * 64,
        "profile": PROFILE.name,
        "title": "Flat bridge",
        "implementation": Implementation(product="linux", version="6.18"),
        "kernel": "6.18",
        "testbeds": ["same-subnet"],
        "scenarios": ["reachability"],
        "date": datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC),
        "command": "plugfest run flat-bridge",
    }
    return Header(**(given | changes))


def report(changes: dict[str, Any] | None = None, **verdicts: Verdict) -> Report:
    decided = VERDICTS | {name.replace("_", ".", 1).replace("_", "-"): verdict for name, verdict in verdicts.items()}
    outcomes = [
        Outcome(name, "SUITE", (("family", "ipv4"),), (Attempt(1, Judgement(verdict, "expected", "as seen")),))
        for name, verdict in decided.items()
    ]
    return from_outcomes(header(**(changes or {})), outcomes, control=control_of(outcomes[:1]))


@dataclasses.dataclass(frozen=True)
class Run:
    """A folder with one recording of six frames, and beside it the report and its manifest."""

    folder: Path
    report: Report

    @property
    def known(self) -> Manifest:
        return manifest.read(self.folder)

    def file(self, name: str) -> Path:
        return self.folder / PLACE / name

    def changes(self) -> list[str]:
        return [one.removeprefix(f"{PLACE}/") for one in recording_changes(self.known, self.folder)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = recording(
        profile=PROFILE, endpoints=[endpoint("a1")], frames=[Frame("a1:eth0", FRAME, number) for number in range(6)]
    )
    place = tmp_path / PLACE
    (place / "logs").mkdir(parents=True)
    assert isinstance(made.capture, bytes)
    (place / FRAMES).write_bytes(made.capture)
    (place / RECORD).write_text(made.record.model_dump_json())
    (place / "logs" / "daemon.log").write_text("started\n")
    whole = report()
    store.write(whole, tmp_path)
    hashes = manifest.recording_hashes(tmp_path, [Recording(place, made.record)])
    manifest.write(whole, store.text_of(whole), tmp_path, PROFILE, hashes)
    return Run(tmp_path, whole)


def test_nothing_changed(run: Run) -> None:
    assert list(suite_changes(run.known)) == []
    assert list(report_changes(run.known, run.folder, run.report)) == []
    assert run.changes() == []
    assert list(outcome_changes(run.report, report())) == []
    assert not absent(run.known, run.folder)
    assert {path.rpartition("/")[2] for path in run.known.recordings} == {FRAMES, RECORD, "daemon.log", blocks.NAME}


@pytest.mark.parametrize(("frame", "offset"), [(1, 200), (3, 100), (6, 990)])
def test_a_frame_that_was_changed_is_among_the_few_that_are_named(run: Run, frame: int, offset: int) -> None:
    capture = bytearray(run.file(FRAMES).read_bytes())
    starts = [place for place in range(len(capture)) if capture.startswith(FRAME[:14], place)]
    capture[starts[frame - 1] + offset] ^= 0xFF
    run.file(FRAMES).write_bytes(capture)
    (said,) = run.changes()
    assert said.startswith(f"{FRAMES}: was changed in ")
    named = [int(word) for word in said.replace(",", " ").split() if word.isdigit()]
    assert frame in named
    assert len(named) <= 2


def test_a_capture_that_is_cut_or_no_capture_is_named(run: Run) -> None:
    capture = run.file(FRAMES).read_bytes()
    run.file(FRAMES).write_bytes(capture[:-100])
    assert run.changes() == [f"{FRAMES}: was changed in frame 5"], "the last one that is whole"
    run.file(FRAMES).write_bytes(b"no capture")
    assert run.changes() == [f"{FRAMES}: is no capture any more"]
    run.file(blocks.NAME).unlink()
    assert sorted(run.changes()) == [f"{blocks.NAME}: is missing", f"{FRAMES}: was changed"]


def test_files_that_are_missing_changed_or_added_are_named(run: Run) -> None:
    run.file("logs/daemon.log").write_text("another\n")
    run.file("logs/more.log").write_text("more\n")
    run.file(RECORD).unlink()
    assert run.changes() == ["logs/daemon.log: was changed", f"{RECORD}: is missing", "logs/more.log: was added"]
    for path in run.known.recordings:
        (run.folder / path).unlink(missing_ok=True)
    assert absent(run.known, run.folder)


def test_a_report_that_was_changed_says_whether_its_outcomes_were(run: Run) -> None:
    path = run.folder / store.NAME
    path.write_text(path.read_text() + "\n")
    assert list(report_changes(run.known, run.folder, run.report)) == [
        f"{store.NAME}: was changed after the run, its outcomes were not"
    ]
    better = report(nat_same_host=Verdict.PASS)
    assert list(report_changes(run.known, run.folder, better)) == [
        f"{store.NAME}: was changed after the run: its outcomes, too"
    ]


def test_a_verdict_that_judging_again_does_not_give_is_named() -> None:
    said = list(outcome_changes(report(nat_same_host=Verdict.PASS), report()))
    assert "outcome: nat.same-host ipv4: the report says pass, judged again it is fail (as seen)" in said
    assert any(one.startswith("footer: ") for one in said)
    more = report(route_hairpin=Verdict.PASS)
    assert "outcome: route.hairpin ipv4: the report has none" in list(outcome_changes(report(), more))
    assert "outcome: route.hairpin ipv4: the recordings give none" in list(outcome_changes(more, report()))


def test_a_header_or_control_that_recordings_do_not_bear_out_is_named() -> None:
    (said,) = outcome_changes(report({"kernel": "6.1"}), report())
    assert said == "header.kernel: the report says '6.1', the recordings '6.18'"
    assert list(outcome_changes(report({"version": "9"}), report())) == []
    uncontrolled = report().model_copy(update={"control": None})
    assert "control: the plain wire" in next(outcome_changes(uncontrolled, report()))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"version": "9"}, "suite: version 9 then"),
        ({"suite": {}}, "suite: the code of judging is new"),
        ({"suite": {"zz": "0" * 64}}, "suite: the code of zz is gone"),
        ({"requirements": {}}, "catalogue: nat.same-host is new"),
        ({"catalogue": "0" * 64}, "catalogue: its hash in the manifest is not that of its requirements"),
        ({"classes": {"zz-1": "0" * 64}}, "catalogue: the class zz-1 is gone"),
    ],
)
def test_a_suite_that_is_another_is_named(run: Run, change: dict[str, Any], text: str) -> None:
    assert any(said.startswith(text) for said in suite_changes(run.known.model_copy(update=change)))


def test_a_manifest_speaks_of_its_profile(run: Run) -> None:
    assert run.known.profile == manifest.profile_hash(PROFILE)
    assert run.known.profile != manifest.profile_hash(PROFILE.model_copy(update={"hops": PROFILE.hops + 1}))


def test_a_manifest_that_is_missing_or_wrong_is_one_line(run: Run) -> None:
    (run.folder / manifest.NAME).write_text('{"schema": 1}')
    with pytest.raises(UsageError, match="it is not what a run wrote"):
        manifest.read(run.folder)
    (run.folder / manifest.NAME).unlink()
    with pytest.raises(UsageError, match="there is no such file"):
        manifest.read(run.folder)


def test_blocks_that_differ_are_numbered_and_missing_ones_come_last() -> None:
    data = bytes(range(256)) * 4
    known = blocks.checksums(data)
    assert len(known) == 4 * 4
    assert blocks.changed(known, data) == []
    assert blocks.changed(known, data[:300] + b"\xff" + data[301:]) == [1]
    assert blocks.changed(known, data[:512]) == [2, 3]
    assert blocks.changed(known, data + b"x") == [4]


# The signed statement


def test_a_statement_lists_what_passed_failed_and_is_undecided(run: Run) -> None:
    predicate = statement(run.report, run.folder)["predicate"]
    lists = [len(predicate[name]) for name in ("passedTests", "failedTests", "warnedTests")]
    assert (predicate["result"], lists) == ("FAILED", [1, 1, 1])
    passing = report(nat_same_host=Verdict.PASS, mtu_usable=Verdict.PASS)
    assert statement(passing, run.folder)["predicate"]["result"] == "PASSED"
    assert statement(report(nat_same_host=Verdict.PASS), run.folder)["predicate"]["result"] == "WARNED"


def keys(folder: Path, name: str) -> tuple[Path, Path]:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
    return private, public


def test_a_signature_holds_for_one_of_its_keys_its_files_and_its_days(run: Run, tmp_path: Path) -> None:
    (private, public), (_, another) = keys(tmp_path, "ours"), keys(tmp_path, "theirs")

    def problems(*known: Path) -> list[str]:
        return list(signature(run.report, run.folder, known).problems)

    with pytest.raises(UsageError, match="there is no such file"):
        problems(public)
    path = sign(run.report, run.folder, [private], "2000-01-01")
    assert problems(public) == [f"{statements.NAME}: expired on 2000-01-01"]
    sign(run.report, run.folder, [private])
    assert problems(public) == []
    assert problems(another, public) == []
    assert problems(another) != []
    report_file = run.folder / store.NAME
    report_file.write_text(report_file.read_text() + "\n")
    assert any(store.NAME in one for one in problems(public))
    path.write_text("{}")
    assert "is no signed statement" in problems(public)[0]
    for wrong, text in (([public], "not a private"), ([tmp_path / "none"], "not a private")):
        with pytest.raises(UsageError, match=text):
            sign(run.report, run.folder, wrong)
    with pytest.raises(UsageError, match="write a day"):
        sign(run.report, run.folder, [private], "tomorrow")
    with pytest.raises(UsageError, match="not a public"):
        problems(private)
