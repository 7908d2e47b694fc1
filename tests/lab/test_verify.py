"""Reports are what their recordings say: what was changed is named, and a signature holds or does not."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import planned, plugfest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conformance.recording.store import load
from conformance.report.model import as_json

pytestmark = [pytest.mark.outside]

Small = tuple[Path, subprocess.CompletedProcess[str]]
NAME = "nat-bridge"
RECORDING = Path("recordings", "same-subnet-reachability-1")


@pytest.fixture
def run(small_run: Small, tmp_path: Path) -> Path:
    """A copy of the run, to be tampered with."""
    return Path(shutil.copytree(small_run[0], tmp_path / "run"))


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private and a public key."""
    private = Ed25519PrivateKey.generate()
    places = tmp_path / "private.pem", tmp_path / "public.pem"
    none = serialization.NoEncryption()
    places[0].write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    places[1].write_bytes(private.public_key().public_bytes(serialization.Encoding.PEM, form))
    return places


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(as_json(data))


def flip_a_frame(run: Path) -> int:
    """Change one bit of one frame; returns its number."""
    folder = run / NAME / RECORDING
    capture = load(folder).frames.capture
    row = len(capture) // 2
    data = bytearray((folder / "frames.pcapng").read_bytes())
    data[int(capture.offset[row]) + 20] ^= 1
    (folder / "frames.pcapng").write_bytes(bytes(data))
    return row + 1


def pass_a_failure(data: dict[str, Any]) -> None:
    outcome = next(one for one in data["outcomes"] if one["verdict"] == "fail")
    outcome["verdict"] = outcome["attempts"][0]["verdict"] = "pass"
    data["footer"]["counts"]["fail"] -= 1
    data["footer"]["counts"]["pass"] += 1


def test_what_a_run_wrote_is_verified(run: Path, tmp_path: Path) -> None:
    ended = plugfest(tmp_path, "verify", run)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{NAME}: verified, {planned(tmp_path, NAME)} outcomes judged again" in ended.stdout
    shutil.move(run / "routed-64" / "report.json", tmp_path / "report.json")
    shutil.move(run / "routed-64" / "manifest.json", tmp_path / "manifest.json")
    assert plugfest(tmp_path, "verify", "report.json", "--recordings", run).returncode == 0


def test_everything_that_was_changed_is_named(run: Path, tmp_path: Path) -> None:
    number = flip_a_frame(run)
    edit(run / NAME / "report.json", pass_a_failure)
    edit(run / NAME / "report.json", lambda data: data["header"].update(kernel="6.1"))
    edit(run / NAME / "manifest.json", lambda data: data["requirements"].update({"nat.idle-flow": "0" * 64}))
    edit(run / NAME / "manifest.json", lambda data: data["suite"].update({"limits.py": "0" * 64}))
    (run / NAME / RECORDING / "extra").write_text("")
    ended = plugfest(tmp_path, "verify", run / NAME)
    assert ended.returncode == 1
    said = ended.stdout
    assert "report.json: was changed after the run: its outcomes, too" in said
    changed = next(line for line in said.splitlines() if "frames.pcapng: was changed in" in line)
    numbers = changed.partition("was changed")[2].replace(",", "").split()[5:]
    assert str(number) in numbers or changed.endswith(f"in frame {number}")
    assert len(numbers) < 6
    assert "catalogue: nat.idle-flow is another" in said
    assert "suite: the code of limits.py is another" in said
    assert "header.kernel: the report says '6.1'" in said
    assert "the report says pass, judged again it is fail" in said
    assert f"{RECORDING}/extra: was added" in said


def test_recordings_that_are_gone(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(run / "plain-wire")
    ended = plugfest(tmp_path, "verify", run / NAME)
    assert ended.returncode == 1
    assert "plain-wire/recordings" in ended.stdout
    shutil.rmtree(run / NAME / "recordings")
    ended = plugfest(tmp_path, "verify", run / NAME)
    assert ended.returncode == 3
    assert "nothing could be judged again" in ended.stdout
    (run / NAME / "manifest.json").unlink()
    ended = plugfest(tmp_path, "verify", run / NAME)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1


def test_a_signature_holds_until_something_changes(run: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    private, public = keys
    assert plugfest(tmp_path, "sign", run / NAME, "--key", private).returncode == 0
    ended = plugfest(tmp_path, "verify", run / NAME, "--key", public)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    edit(run / NAME / "manifest.json", lambda data: data.update(version="9"))
    ended = plugfest(tmp_path, "verify", run / NAME, "--key", public)
    assert ended.returncode == 1
    assert "manifest.json: is not the file that was signed" in ended.stdout
    edit(run / NAME / "report.intoto.json", lambda data: data.update(payload=data["payload"][:-4] + "AAAA"))
    assert "was not signed with this key" in plugfest(tmp_path, "verify", run / NAME, "--key", public).stdout
    wrong = plugfest(tmp_path, "sign", run / NAME, "--key", public)
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
