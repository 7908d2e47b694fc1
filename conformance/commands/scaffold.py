"""``plugfest new``: a start that works as it is, with its test, and the next commands to type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

from conformance.commands.family_package import Located, locate, spare
from conformance.errors import UsageError
from conformance.family import families
from conformance.profile import NAME

STARTS: Final = Path(__file__).parent / "starts"
PACKAGE: Final = ("__init__.py", "requirements.toml", "scenario.py", "checks.py", "faults.py")
"""The files of a new family's package."""
_ID: Final = re.compile(r"[a-z][a-z0-9]*\.[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*")
_FAMILY: Final = re.compile(r"[a-z][a-z0-9]*")


def new_profile(name: str, folder: Path) -> list[str]:
    """Write a profile and its test into `folder`; returns what to do next. Raises UsageError."""
    words = _words(name)
    test = f"test_{words['module']}.py"
    _write(folder, {f"{name}.toml": "profile/profile.toml", test: "profile/test_profile.py"}, words)
    return _tried(folder, name, test)


def new_adapter(name: str, folder: Path) -> list[str]:
    """Write an adapter, its profile and its test into `folder`; returns what to do next. Raises UsageError."""
    words = _words(name)
    module = words["module"]
    test = f"test_{module}.py"
    starts = {f"{module}.py": "adapter/adapter.py", f"{name}.toml": "adapter/adapter.toml"}
    _write(folder, {**starts, test: "profile/test_profile.py"}, words)
    return _tried(folder, name, test)


def new_family(name: str, folder: Path) -> list[str]:
    """Write a distribution that brings a family into a folder of its own below `folder`; returns what to do next.

    Raises UsageError.
    """
    if not _FAMILY.fullmatch(name):
        raise UsageError(f"{name}: the name of a family is one word: lower-case letters and digits, a letter first")
    if name in families():
        raise UsageError(f"{name}: a family of this name is installed; choose another name")
    distribution, package = f"plugfest-{name}", f"plugfest_{name}"
    words = {"name": name, "title": name.capitalize(), "distribution": distribution, "package": package}
    place = folder / distribution
    _refuse_existing(place)
    files = {file: f"family/{file}" for file in ("pyproject.toml", "README.md")}
    files |= {f"{package}/{file}": f"family/package/{file}" for file in PACKAGE}
    files |= {f"tests/{file}": f"family/tests/{file}" for file in ("test_checks.py", "test_family.py")}
    _write(place, files, words)
    return [f"cd {place}", "pip install -e .", "pytest", f"plugfest run routed-64 --only {name}", "see README.md"]


def new_check(name: str, folder: Path) -> list[str]:
    """Write a requirement, its check and its test into the package of its family, which lies in `folder` or below.

    Returns what to do next. Raises UsageError.
    """
    family, _, what = name.partition(".")
    if not _ID.fullmatch(name):
        raise UsageError(f"{name}: write FAMILY.what-holds, for instance route.gateway-answers")
    place = locate(family, folder)
    function = what.replace("-", "_")
    catalogue = place.package / "requirements.toml"
    if catalogue.exists() and f'"{name}"' in catalogue.read_text():
        raise UsageError(f"{name}: is in {catalogue} already; write its check into {place.package.name}/checks.py")
    checks = spare(place.package, function)
    test = place.tests / f"test_check_{family}_{function}.py"
    _refuse_existing(test)
    imports = _imports(place, checks.stem, function)
    words = {"id": name, "family": family, "function": function, "imports": imports}
    head = (
        f'"""{family}: {what.replace("-", " ")}."""\n\nfrom __future__ import annotations\n\n'
        "from conformance.judging.case import Case\nfrom conformance.judging.register import check\n"
    )
    _append(catalogue, "check/requirement.toml", words, "")
    _append(checks, "check/check.py", words, head)
    test.parent.mkdir(parents=True, exist_ok=True)
    test.write_text(_filled("check/test_check.py", words))
    further = ["python -m conformance.upkeep.documentation"] if place.own else []
    return [
        *([] if family in families() else [f"pip install -e {place.root}"]),
        f"plugfest explain {name}",
        f"pytest {test}",
        f"plant a fault that it catches in {place.package}/faults.py, then: plugfest selftest {name}",
        f"keep the recording of the fault: plugfest golden make {name}",
        *further,
    ]


def _imports(place: Located, checks: str, function: str) -> str:
    """What the test of a check imports, in the order in which linters want it: in a checkout all is of one package."""
    mine = f"from {place.module}.{checks} import test_{function} as check"
    suite = (
        "from conformance.testing import compared, endpoint, judged, recording\nfrom conformance.verdict import Verdict"
    )
    return f"\n{mine}\n{suite}" if place.own else f"{suite}\n\n{mine}"


def _tried(folder: Path, name: str, test: str) -> list[str]:
    """How a new profile is tried. A reference to a file has a folder in front, else it would be a shipped name."""
    path = folder / f"{name}.toml"
    reference = str(path) if path.is_absolute() else f"./{path}"
    return [f"plugfest run {reference} --plan", f"plugfest run {reference}", f"pytest {folder / test}"]


def _words(name: str) -> dict[str, str]:
    if not re.fullmatch(NAME, name):
        raise UsageError(f"{name}: a name is lower case: letters, digits, '.', '_', '@', '-'; it begins with no sign")
    module = re.sub(r"[^a-z0-9]", "_", name)
    title = "".join(word.capitalize() for word in module.split("_"))
    return {"name": name, "module": module if module[0].isalpha() else f"n{module}", "title": title or "Mine"}


def _write(folder: Path, files: Mapping[str, str], words: Mapping[str, str]) -> None:
    for name in files:
        _refuse_existing(folder / name)
    for name, start in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(_filled(start, words))


def _append(path: Path, start: str, words: Mapping[str, str], head: str) -> None:
    text = path.read_text() if path.exists() else head
    path.write_text(
        (text.rstrip("\n") + "\n" if text else "") + _filled(start, words).removeprefix("" if text else "\n")
    )


def _filled(start: str, words: Mapping[str, str]) -> str:
    return Template((STARTS / f"{start}.start").read_text()).substitute(words)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise UsageError(f"{path.name}: is there already; choose another name or folder")
