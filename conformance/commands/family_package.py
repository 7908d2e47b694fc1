"""Where the package of a family lies in a folder: in a checkout of this suite, or in a distribution of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.errors import UsageError

DEPTH: Final = 3
"""Folders below the one that is named: conformance/families/FAMILY of a checkout is the deepest."""
SKIPPED: Final = frozenset({"build", "dist", "site-packages"})
_IMPORTED: Final = re.compile(r"^from conformance\.judging\.\w+ import (.*)$", re.MULTILINE)
LONG: Final = 380
"""Lines from which on a module of checks takes in no further one: modules have 400 at most."""


@dataclass(frozen=True)
class Located:
    """The package of a family. `module` is its name when it is imported, `root` where its distribution begins, `tests`
    where its tests go; `own`: it is one of this suite's."""

    package: Path
    module: str
    root: Path
    tests: Path

    @property
    def own(self) -> bool:
        """Whether it is one of this suite's own families."""
        return self.module.startswith("conformance.")


def locate(family: str, folder: Path) -> Located:
    """The package of `family` that is `folder`, or lies below it. Raises UsageError where there is not exactly one."""
    found = [package for package in _packages(folder, DEPTH) if _brings(package, family)]
    if not found:
        raise UsageError(
            f"{family}: no package of this family lies in {folder.resolve()}: name its folder with --in (in a checkout "
            f"conformance/families/{family}), or begin one with `plugfest new family {family}`"
        )
    if len(found) > 1:
        raise UsageError(f"{family}: {' and '.join(map(str, found))} both bring it; name one with --in")
    package = found[0]
    outermost = package.resolve()
    while (outermost.parent / "__init__.py").is_file():
        outermost = outermost.parent
    above = outermost.parent
    module = ".".join(package.resolve().relative_to(above).parts)
    root = above.parent if above.name == "src" else above
    tests = root / "tests" / "unit" if module.startswith("conformance.") else root / "tests"
    return Located(package, module, root, tests)


def spare(package: Path, function: str) -> Path:
    """The module of checks that a further one goes to: ``checks.py``, where it imports what a check needs and is short
    enough; else one of its own."""
    path = package / "checks.py"
    text = path.read_text() if path.exists() else ""
    known = {word for names in _IMPORTED.findall(text) for word in re.split(r"\W+", names)}
    able = {"Case", "check"} <= known
    if not text or (able and text.count("\n") < LONG):
        return path
    return package / f"checks_{function}.py"


def _packages(folder: Path, depth: int) -> Iterator[Path]:
    """Every package of a family in a folder, to that depth; what is hidden or installed is left out."""
    if (folder / "__init__.py").is_file():
        yield folder
    if depth:
        for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
            if not inner.name.startswith(".") and inner.name not in SKIPPED:
                yield from _packages(inner, depth - 1)


def _brings(package: Path, family: str) -> bool:
    text = (package / "__init__.py").read_text()
    return re.search(rf"\bFAMILY\b[^()]*\([^()]*\bname=[\"']{family}[\"']", text) is not None
