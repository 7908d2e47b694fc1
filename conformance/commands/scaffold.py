"""``plugfest new``: a start that works as it is, with its test, and the next commands to type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

from conformance.errors import UsageError
from conformance.family import families
from conformance.profile import NAME

STARTS: Final = Path(__file__).parent / "starts"
PACKAGE: Final = Path(__file__).parents[1]
_ID: Final = re.compile(r"[a-z][a-z0-9]*\.[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*")


def new_profile(name: str, folder: Path) -> list[str]:
    """Write a profile and its test into `folder`; returns what to do next. Raises UsageError."""
    words = _words(name)
    _write(folder, {f"{name}.toml": "profile.toml", f"test_{words['module']}.py": "test_profile.py"}, words)
    return [f"plugfest run ./{name}.toml --plan", f"plugfest run ./{name}.toml", f"pytest test_{words['module']}.py"]


def new_adapter(name: str, folder: Path) -> list[str]:
    """Write an adapter, its profile and its test into `folder`; returns what to do next. Raises UsageError."""
    words = _words(name)
    module = words["module"]
    files = {f"{module}.py": "adapter.py", f"{name}.toml": "adapter.toml", f"test_{module}.py": "test_profile.py"}
    _write(folder, files, words)
    return [f"plugfest run ./{name}.toml --plan", f"plugfest run ./{name}.toml", f"pytest test_{module}.py"]


def new_check(name: str) -> list[str]:
    """Write a requirement, its check and its test into the checkout; returns what to do next. Raises UsageError."""
    family, _, what = name.partition(".")
    if not _ID.fullmatch(name) or family not in families():
        raise UsageError(
            f"{name}: write FAMILY.what-holds, for instance route.gateway-answers; {', '.join(families())}"
        )
    tests = PACKAGE.parent / "tests" / "unit"
    if not tests.is_dir():
        raise UsageError("new check: run it in a checkout of the project; what is installed has no tests")
    function = what.replace("-", "_")
    test = tests / f"test_check_{family}_{function}.py"
    words = {"id": name, "family": family, "function": function, "test": f"tests/unit/{test.name}"}
    catalogue, checks = (PACKAGE / "families" / family / name for name in ("requirements.toml", "checks.py"))
    if catalogue.exists() and f'"{name}"' in catalogue.read_text():
        raise UsageError(f"{name}: is in the catalogue already; write its check into {checks.name}")
    _refuse_existing(test)
    head = (
        f'"""{family}: to be described."""\n\nfrom __future__ import annotations\n\n'
        "from conformance.judging.case import Case\nfrom conformance.judging.register import check\n"
    )
    _append(catalogue, "requirement.toml", words, "")
    _append(checks, "check.py", words, head)
    test.write_text(_filled("test_check.py", words))
    return [
        f"plugfest explain {name}",
        f"pytest {words['test']}",
        f"plant a fault that it catches in conformance/selftest/, then: plugfest selftest {name}",
        "python -m conformance.upkeep.documentation",
    ]


def _words(name: str) -> dict[str, str]:
    if not re.fullmatch(NAME, name):
        raise UsageError(f"{name}: a name is lower case: letters, digits, '.', '_', '@', '-'; it begins with no sign")
    module = re.sub(r"[^a-z0-9]", "_", name)
    title = "".join(word.capitalize() for word in module.split("_"))
    return {"name": name, "module": module if module[0].isalpha() else f"n{module}", "title": title or "Mine"}


def _write(folder: Path, files: Mapping[str, str], words: Mapping[str, str]) -> None:
    for name in files:
        _refuse_existing(folder / name)
    folder.mkdir(parents=True, exist_ok=True)
    for name, start in files.items():
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
