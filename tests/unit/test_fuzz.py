"""Whatever is put in, profiles, testbeds, recordings, reports and captures give a value or one clear line."""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from conformance import profile, testbed
from conformance.attest import manifest
from conformance.errors import UsageError
from conformance.places import PROFILES, TESTBEDS
from conformance.recording.store import FRAMES, RECORD
from conformance.recording.store import load as load_recording
from conformance.report import store

REPORT = next((Path(__file__).parents[2] / "reports" / "flat-bridge").glob("*/report.json"))
brief = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
PLACE = st.lists(st.integers(0, 9), max_size=6)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", "\x1b[31m", "../../etc/passwd", "\ud800", "2" * 400, "192.0.2.0/99", "::/0", "${PATH}"]),
)
VALUES = st.recursive(
    LEAVES, lambda more: st.one_of(st.lists(more, max_size=3), st.dictionaries(st.text(max_size=6), more, max_size=3))
)


def mutated(data: Any, place: list[int], value: Any, how: str) -> Any:
    """A copy of nested data with one place replaced, taken away or doubled; `place` picks a way down."""
    if place and isinstance(data, dict) and data:
        key = sorted(data)[place[0] % len(data)]
        rest = dict(data)
        if len(place) == 1 and how == "drop":
            del rest[key]
        elif len(place) == 1 and how == "add":
            rest[f"{key}x"] = value
        else:
            rest[key] = mutated(data[key], place[1:], value, how)
        return rest
    if place and isinstance(data, list) and data:
        at = place[0] % len(data)
        if len(place) == 1 and how in ("drop", "add"):
            return data[:at] + ([data[at], data[at]] if how == "add" else []) + data[at + 1 :]
        return [*data[:at], mutated(data[at], place[1:], value, how), *data[at + 1 :]]
    return value


def one_line(call: Callable[[], object]) -> None:
    """The call gives a value, or a UsageError of one line."""
    said = "x"
    try:
        call()
    except UsageError as problem:
        said = str(problem)
    assert len(said.splitlines()) == 1, said
    assert len(said) < 1000, said


BYTES = st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
HOW = st.sampled_from(["replace", "drop", "add"])


@brief
@given(place=PLACE, value=VALUES, how=HOW, name=st.sampled_from(sorted(path.stem for path in PROFILES.glob("*.toml"))))
def test_profiles(place: list[int], value: Any, how: str, name: str) -> None:
    data = mutated(tomllib.loads((PROFILES / f"{name}.toml").read_text()), place, value, how)

    def load() -> None:
        from conformance.adapters.interface.registry import adapter_for

        made = profile.parse(data, "mine.toml")
        if made.module is None and made.kind != "selftest":
            adapter_for(made)

    if isinstance(data, dict):
        one_line(load)


@brief
@given(place=PLACE, value=VALUES, how=HOW, name=st.sampled_from(sorted(path.stem for path in TESTBEDS.glob("*.toml"))))
def test_testbeds(place: list[int], value: Any, how: str, name: str) -> None:
    data = mutated(tomllib.loads((TESTBEDS / f"{name}.toml").read_text()), place, value, how)
    with contextlib.suppress(ValidationError):
        testbed.Testbed.model_validate(data)


@brief
@given(
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
)
def test_files_of_anything(content: bytes, tmp_path: Path) -> None:
    for name, call in (
        ("mine.toml", lambda: profile.load(str(tmp_path / "mine.toml"))),
        ("bed.toml", lambda: testbed.load(str(tmp_path / "bed.toml"))),
        (RECORD, lambda: load_recording(tmp_path)),
        (store.NAME, lambda: store.read(tmp_path)),
        (manifest.NAME, lambda: manifest.read(tmp_path)),
    ):
        (tmp_path / name).write_bytes(content)
        one_line(call)


@brief
@given(place=PLACE, value=VALUES, how=HOW)
def test_reports(place: list[int], value: Any, how: str, tmp_path: Path) -> None:
    small = json.loads(REPORT.read_text())
    small["outcomes"] = small["outcomes"][:3]
    small["footer"] = None
    (tmp_path / store.NAME).write_text(json.dumps(mutated(small, place, value, how)))
    one_line(lambda: store.read(tmp_path))


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """A record made by hand with a little of everything."""
    tap = {"number": 0, "name": "a:b", "where": "a", "interface": "b", "role": "uplink", "captured": 1, "dropped": 0}
    return {
        "schema": 1,
        "suite": "0",
        "scenario": "idle",
        "kernel": "6",
        "processors": 1,
        "load": [0, 0, 0],
        "rootless": False,
        "started_ns": 1,
        "finished_ns": 2,
        "profile": profile.load("flat-bridge").model_dump(mode="json", by_alias=True),
        "testbed": testbed.load("same-subnet").model_dump(mode="json", by_alias=True),
        "identity": {"product": "p", "version": "1"},
        "events": [{"time_ns": 1, "kind": "k"}],
        "taps": [tap],
    }


@brief
@given(change=st.tuples(PLACE, VALUES, HOW), frames=st.binary(max_size=64))
def test_recordings(change: tuple[list[int], Any, str], frames: bytes, record: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(json.dumps(mutated(record, *change)))
    (tmp_path / FRAMES).write_bytes(frames)

    def look() -> None:
        loaded = load_recording(tmp_path)
        assert loaded.damage is not None, "such frames are no capture"

    one_line(look)
