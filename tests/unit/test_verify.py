"""A report is judged by exactly what its manifest hashes, and a statement says in every field what its report says."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from conformance.attest import manifest, statement
from conformance.commands import verify as verifying
from conformance.commands.runs import judge_folders
from conformance.errors import UsageError
from conformance.recording.store import FRAMES, LOGS, RECORD
from conformance.report import store
from conformance.report.model import as_json, canonical_outcomes
from conformance.running import memory
from conformance.testing import endpoint, recording
from conformance.verdict import Verdict

NAME = "flat-bridge"
PLACE = "recordings/same-subnet-reachability"
Change = Callable[[dict[str, Any]], object]


def put(run: Path, profile: str, attempt: int = 1, place: str = "") -> Path:
    """A recording of reachability by a profile, in its folder of a run."""
    made = recording(profile=profile, endpoints=[endpoint("h1a", addresses=("192.0.2.10/24",))])
    folder = run / profile / (place or f"recordings/same-subnet-reachability-{attempt}")
    (folder / LOGS).mkdir(parents=True)
    assert isinstance(made.capture, bytes)
    (folder / FRAMES).write_bytes(made.capture)
    record = made.record.model_copy(update={"attempt": attempt})
    (folder / RECORD).write_text(record.model_dump_json(by_alias=True))
    return folder


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two attempts on one testbed, judged."""
    run = tmp_path_factory.mktemp("judged") / "run"
    for profile in ("plain-wire", NAME):
        for attempt in (1, 2):
            put(run, profile, attempt)
    names = [f"{profile}/{PLACE}-{attempt}" for profile in ("plain-wire", NAME) for attempt in (1, 2)]
    plan = memory.Memory(
        only=("addr",), command=("plugfest",), profiles=(NAME,), testbeds=("same-subnet",), attempts=2, recordings=names
    )
    memory.write(plan, run)
    judge_folders([run], None)
    return run


@pytest.fixture
def run(judged: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be tampered with."""
    return Path(shutil.copytree(judged, tmp_path / "run"))


def edit(file: Path, change: Change) -> None:
    data = json.loads(file.read_text())
    change(data)
    file.write_text(as_json(data))


def verified(run: Path, capsys: pytest.CaptureFixture[str], *keys: Path) -> tuple[int, str]:
    capsys.readouterr()
    code = verifying.verify([run / NAME], None, keys)
    return code, capsys.readouterr().out


def test_an_untouched_report_is_verified(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verified(run, capsys)[0] == 0
    assert {each.verdict for each in store.read(run / NAME).outcomes} - {Verdict.UNSUPPORTED}


def test_an_extra_recording_is_named_and_never_judged(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(run, NAME, 1, place="recordings/zz-other")
    code, said = verified(run, capsys)
    assert (code, said.count("\n")) == (1, 2)
    assert f"{NAME}/recordings/zz-other: was added; it is not judged" in said
    with pytest.raises(UsageError, match="both are attempt 1 of reachability on same-subnet by flat-bridge"):
        judge_folders([run], None)


def test_an_attempt_that_is_gone_is_missed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run / NAME / "recordings" / "same-subnet-reachability-2")
    code, said = verified(run, capsys)
    assert code == 1
    assert "reachability-2/recording.json: is missing" in said
    assert judge_folders([run], None) == 3
    assert store.read(run / NAME).partial


def test_a_report_that_rests_on_nothing_says_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run / NAME / "recordings")
    edit(run / NAME / manifest.NAME, lambda data: data.update(recordings={}))
    code, said = verified(run, capsys)
    assert code == 1
    assert "and the manifest lists no recording" in said


def test_a_report_of_what_was_declared_needs_no_recording(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def declare(data: dict[str, Any]) -> None:
        data["outcomes"] = [one for one in data["outcomes"] if one["verdict"] in ("unsupported", "not-applicable")]
        counts = data["footer"]["counts"]
        data["footer"]["counts"] = dict.fromkeys(counts, 0) | {"unsupported": len(data["outcomes"])}

    edit(run / NAME / store.NAME, declare)
    report = store.read(run / NAME)
    edit(
        run / NAME / manifest.NAME,
        lambda data: data.update(
            recordings={},
            report=manifest.sha256((run / NAME / store.NAME).read_bytes()),
            outcomes=manifest.sha256(canonical_outcomes(report)),
        ),
    )
    assert verified(run, capsys)[0] == 0


# --- statements ---------------------------------------------------------------------------------------------------
@pytest.fixture
def keys(tmp_path: Path) -> list[tuple[Path, Path]]:
    """Two pairs of a private and a public key."""
    made = []
    none = serialization.NoEncryption()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    for number in (1, 2):
        key = Ed25519PrivateKey.generate()
        pair = tmp_path / f"private{number}.pem", tmp_path / f"public{number}.pem"
        pair[0].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none))
        pair[1].write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
        made.append(pair)
    return made


def forge(run: Path, private: Path, change: Change) -> None:
    """Sign a statement in which something was changed."""
    said = statement.statement(store.read(run / NAME), run / NAME)
    change(said)
    envelope = Envelope(json.dumps(said).encode(), statement.PAYLOAD, {})
    envelope.sign(CryptoSigner(serialization.load_pem_private_key(private.read_bytes(), password=None)))
    (run / NAME / statement.NAME).write_text(json.dumps(envelope.to_dict()))


def problems(run: Path, *public: Path) -> tuple[str, ...]:
    return statement.signature(store.read(run / NAME), run / NAME, public).problems


FORGED: dict[str, tuple[Change, str]] = {
    "result": (lambda said: said["predicate"].update(result="PASSED"), "predicate.result: signed is 'PASSED'"),
    "failed": (lambda said: said["predicate"].update(failedTests=["x"]), "predicate.failedTests"),
    "passed": (lambda said: said["predicate"].update(passedTests=["everything"]), "predicate.passedTests"),
    "warned": (lambda said: said["predicate"].update(warnedTests=["nothing"]), "predicate.warnedTests"),
    "profile": (
        lambda said: said["predicate"]["configuration"][0]["annotations"].update(profile="another"),
        "predicate.configuration",
    ),
    "version": (lambda said: said["predicate"]["configuration"][0].update(name="plugfest 9"), "configuration"),
    "catalogue": (lambda said: said["predicate"]["configuration"][0].update(digest={}), "configuration"),
    "two": (lambda said: said["predicate"]["configuration"].append({}), "configuration"),
    "type": (lambda said: said.update(_type="https://example.net/other"), "_type: signed is"),
    "further": (lambda said: said.update(further=1), "further: signed is 1"),
    "inside": (lambda said: said["predicate"].update(url="https://example.net"), "predicate.url"),
    "subject": (lambda said: said["subject"].append({"name": "x", "digest": {}}), "subject: signed are 3 files"),
    "twice": (lambda said: said["subject"].append(said["subject"][0]), "subject: signed are 3 files"),
    "digest": (lambda said: said["subject"][0]["digest"].update(sha256="0" * 64), "report.json: is not the file"),
    "none": (lambda said: said.update(subject=5), "subject: signed are no files"),
    "predicate": (lambda said: said.update(predicate=[]), "predicate: says nothing"),
    "kind": (lambda said: said.update(predicateType="x"), "says something else"),
}


@pytest.mark.parametrize("name", FORGED)
def test_every_field_of_a_statement_counts(name: str, run: Path, keys: list[tuple[Path, Path]]) -> None:
    change, words = FORGED[name]
    forge(run, keys[0][0], change)
    found = problems(run, keys[0][1])
    assert any(words in text for text in found), found
    assert all(len(text.splitlines()) == 1 for text in found)


def test_a_statement_holds(run: Path, keys: list[tuple[Path, Path]], capsys: pytest.CaptureFixture[str]) -> None:
    verifying.sign([run / NAME], [keys[0][0]])
    code, said = verified(run, capsys, keys[1][1], keys[0][1])
    assert code == 0, "one of several keys has signed"
    assert "signed by " in said
    assert problems(run, keys[1][1]) == ("report.intoto.json: was not signed with this key, or was changed since",)
    verifying.sign([run / NAME], [keys[0][0], keys[1][0]])
    assert not any(problems(run, public) for _, public in keys)


def test_a_statement_expires(run: Path, keys: list[tuple[Path, Path]]) -> None:
    private, public = keys[0]
    verifying.sign([run / NAME], [private], "2999-12-31")
    assert problems(run, public) == ()
    verifying.sign([run / NAME], [private], "2001-01-01")
    assert problems(run, public) == ("report.intoto.json: expired on 2001-01-01",)
    with pytest.raises(UsageError, match="write a day"):
        verifying.sign([run / NAME], [private], "soon")


@pytest.mark.parametrize("payload", [b"[]", b"5", b"null", b"{}", b"[" * 100_000, b"\xff"])
def test_what_is_signed_is_a_statement(payload: bytes, run: Path, keys: list[tuple[Path, Path]]) -> None:
    envelope = Envelope(payload, statement.PAYLOAD, {})
    envelope.sign(CryptoSigner(serialization.load_pem_private_key(keys[0][0].read_bytes(), password=None)))
    (run / NAME / statement.NAME).write_text(json.dumps(envelope.to_dict()))
    assert problems(run, keys[0][1])
    (run / NAME / statement.NAME).write_bytes(base64.b64encode(payload))
    assert problems(run, keys[0][1])
