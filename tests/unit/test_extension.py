"""What other distributions bring is found beside what this package has, by entry points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.adapters.registry import kinds
from conformance.errors import UsageError
from conformance.family import families, forget

ADAPTERS = Path(__file__).parents[2] / "conformance" / "adapters"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path of modules, empty; what was found of it is forgotten at the end."""
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    yield tmp_path
    monkeypatch.undo()
    forget()


def install(site: Path, name: str, entries: str) -> None:
    """A distribution as an installer leaves it, with these entry points."""
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(entries)


def test_the_packages_of_the_suite_are_kinds() -> None:
    folders = {path.parent.name.replace("_", "-") for path in ADAPTERS.glob("*/__init__.py")}
    assert set(kinds()) == {*folders, "selftest"}


def test_an_installed_kind_is_there_and_its_module_is_not_imported(site: Path) -> None:
    install(site, "mine", "[conformance.adapters]\nmine = nosuchmodule:adapter\n")
    assert kinds()["mine"] == "nosuchmodule"


@pytest.mark.parametrize("kind", ["wire", "mine"])
def test_a_kind_that_is_brought_twice_is_one_line(site: Path, kind: str) -> None:
    install(site, "one", f"[conformance.adapters]\n{kind} = module_one\n")
    install(site, "other", f"[conformance.adapters]\n{kind} = module_other\n")
    with pytest.raises(UsageError, match=rf"^conformance\.adapters: {kind}: .* both bring it; uninstall one of them$"):
        kinds()


def test_a_family_without_its_word_is_one_line(site: Path) -> None:
    install(site, "mine", "[conformance.families]\nmine = mine_family\n")
    (site / "mine_family.py").write_text("WRONG = 1\n")
    with pytest.raises(UsageError, match=r"^family mine: mine_family: it has no FAMILY = Family"):
        families()
