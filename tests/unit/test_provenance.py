"""The code that decides verdicts: all that judging imports is hashed, part by part, wherever the suite lies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import conformance
from conformance.attest import code, compare
from conformance.attest.manifest import Manifest, class_hashes, requirement_hashes
from conformance.requirement import catalogue_hash

HERE = Path(conformance.__file__).parent
NONE = "0" * 64
DECIDES = {
    "limits.py": "limits.py",
    "verdict.py": "verdict.py",
    "profile.py": "profile.py",
    "pairs/pairing.py": "pairs",
    "judging/session.py": "judging",
    "recording/matrix.py": "recording",
    "report/gate.py": "report",
    "families/nat/checks.py": "family nat",
    "families/nat/__init__.py": "family nat",
    "families/lldp/evidence.py": "family lldp",
}
"""Files that decide, and the part that each belongs to."""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package at another place, which a test may change and restores."""
    place = tmp_path_factory.mktemp("elsewhere") / "conformance"
    return Path(shutil.copytree(HERE, place, ignore=lambda _, names: {"__pycache__"} & set(names)))


def changed(package: Path, file: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The hashes of a package in which one file has a line more."""
    path = package / file
    text = path.read_text()
    monkeypatch.setattr(code, "PACKAGE", package)
    try:
        path.write_text(f"{text}\n# another\n")
        return code.parts_of(code.modules_of(code.roots()))
    finally:
        path.write_text(text)


def test_the_place_does_not_matter(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = dict(code.hashes())
    monkeypatch.setattr(code, "PACKAGE", elsewhere)
    assert code.parts_of(code.modules_of(code.roots())) == here


@pytest.mark.parametrize(("file", "part"), DECIDES.items())
def test_a_change_of_what_decides_is_named(
    file: str, part: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = manifest()
    then = dict(code.hashes())
    now = changed(elsewhere, file, monkeypatch)
    assert {name for name in {*then, *now} if then.get(name) != now.get(name)} == {part}
    monkeypatch.setattr(code, "hashes", lambda: now)
    assert list(compare.suite_changes(known)) == [f"suite: the code of {part} is another"]


@pytest.mark.parametrize("file", ["cli.py", "lab/lab.py", "families/nat/scenario.py", "report/render/terminal.py"])
def test_a_change_of_what_decides_nothing_is_none(file: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    then = dict(code.hashes())
    assert changed(elsewhere, file, monkeypatch) == then


def manifest() -> Manifest:
    """That of a report of this suite."""
    return Manifest(
        version=conformance.__version__,
        suite=dict(code.hashes()),
        catalogue=catalogue_hash(),
        requirements=requirement_hashes(),
        classes=class_hashes(),
        profile=NONE,
        report=NONE,
        outcomes=NONE,
        recordings={},
    )


def test_modules_of_others_are_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "acme_net/__init__.py": "",
        "acme_net/words.py": "import os\nfrom conformance.limits import FACT\n",
        "acme_net/only_types.py": "",
        "acme_net/unused.py": "",
        "acme_net/family/__init__.py": "",
        "acme_net/family/checks.py": (
            "from typing import TYPE_CHECKING\n"
            "from . import evidence\n"
            "if TYPE_CHECKING:\n    from acme_net.only_types import X\n"
            "def test_it(case):\n    from ..words import y\n"
        ),
        "acme_net/family/evidence.py": "import acme_net.missing, numpy\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = code.modules_of(["acme_net.family.checks", "conformance.errors"])
    theirs = {name for name in found if name.startswith("acme_net")}
    assert theirs == {
        "acme_net",
        "acme_net.family",
        "acme_net.family.checks",
        "acme_net.family.evidence",
        "acme_net.words",
    }
    assert "conformance.limits" in found
    assert "numpy" not in found
