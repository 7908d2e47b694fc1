"""What other distributions bring is found beside what this package has, by entry points."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from conformance.adapters.interface.registry import kinds
from conformance.errors import UsageError
from conformance.extension import blamed
from conformance.family import families, forget
from conformance.judging.case import Case, judge
from conformance.verdict import Verdict

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
    assert set(kinds()) == {*folders - {"interface"}, "selftest"}


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


def raised(function: Callable[[], object]) -> Exception:
    """What a call raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        function()
    return caught.value


def written(folder: Path, source: str) -> ModuleType:
    """A module of somebody else, imported from a file."""
    file = folder / "theirs.py"
    file.write_text(source)
    specification = importlib.util.spec_from_file_location("theirs", file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("{}['x']", 6, "KeyError: 'x'"),
        ("json.loads('{')", 6, "JSONDecodeError: Expecting property name"),
        ("load('no-such-profile')", 6, "UsageError: no-such-profile: no profile of that name"),
        ("TypeAdapter(int).validate_python('x')", 6, "ValidationError: 1 validation error for int"),
        ("raise ValueError('two\\nlines')", 6, "ValueError: two lines"),
        ("raise ExceptionGroup('several', [KeyError('x')])", 6, "KeyError: 'x'"),
    ],
)
def test_an_exception_in_a_module_of_others_is_theirs(body: str, line: int, words: str, tmp_path: Path) -> None:
    """The innermost line of theirs is named, whatever they called."""
    heads = "import json\nfrom pydantic import TypeAdapter\nfrom conformance.profile import load\n\n"
    module = written(tmp_path, f"{heads}def run():\n    {body}\n")
    sentence = blamed(raised(module.run))
    assert sentence is not None
    assert sentence.startswith(f"the module theirs failed: theirs.py:{line}: {words}")


def test_an_exception_in_this_suite_is_its_own() -> None:
    problem = raised(lambda: json.loads("{"))
    assert problem.__traceback__ is not None
    assert blamed(problem.with_traceback(problem.__traceback__.tb_next)) is not None, "this test is of others"
    while problem.__traceback__ is not None and __file__ == problem.__traceback__.tb_frame.f_code.co_filename:
        problem = problem.with_traceback(problem.__traceback__.tb_next)
    assert blamed(problem) is None


@pytest.mark.parametrize("name", ["conformance", "theirs"])
def test_a_check_of_others_that_fails_decides_nothing(name: str, tmp_path: Path) -> None:
    """The verdict error is for checks of this suite."""
    theirs = written(tmp_path, "def check(case):\n    case.nothing\n").check
    check: Any = theirs if name == "theirs" else Case.tap
    recording: Any = SimpleNamespace(record=SimpleNamespace(problem=None), damage=None)
    said = judge(check, Case(recording, {}))
    if name == "theirs":
        assert said.verdict is Verdict.INCONCLUSIVE
        assert (
            said.seen
            == "the module theirs failed: theirs.py:2: AttributeError: 'Case' object has no attribute 'nothing'"
        )
    else:
        assert said.verdict is Verdict.ERROR
