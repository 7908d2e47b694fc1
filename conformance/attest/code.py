"""The code that decides verdicts: the modules that judging imports, found without importing any, and their hashes."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from conformance.extension import PACKAGE
from conformance.family import Family, families

ENTRIES: Final = (
    "conformance.judging.capture",
    "conformance.judging.checks",
    "conformance.judging.session",
    "conformance.running.reporting",
)
"""The modules of this suite by which recordings are judged and outcomes become a report."""


def roots() -> list[str]:
    """The modules at which the walk begins: the entries, and what every installed family declares, checks and reads
    frames with."""
    decides = [module for family in families().values() for module in _deciding(family)]
    return [*ENTRIES, *decides]


def _deciding(family: Family) -> Iterator[str]:
    yield family.package
    for role in ("checks", "evidence"):
        yield from family.parts(role)


@functools.cache
def hashes() -> Mapping[str, str]:
    """The SHA-256 of each part of the code that decides: names and contents of the modules in it.

    A part is a folder or file of this suite's package, such as ``judging`` or ``limits.py``, or ``family NAME`` with
    all that the family's own distribution brings for it. It does not depend on where the suite is installed.
    """
    return parts_of(modules_of(roots()))


def modules_of(roots: Iterable[str]) -> dict[str, Path]:
    """The modules that some modules import, directly or not, themselves among them: name to source file.

    Only modules in the top-level packages of the roots count, not the libraries. Imports inside functions count, those
    for types do not. Modules that are missing are left out.
    """
    wanted = list(roots)
    tops = {name: _folder(name) for name in {root.partition(".")[0] for root in wanted}}
    found: dict[str, Path] = {}
    while wanted:
        name = wanted.pop()
        top, _, below = name.partition(".")
        file = None if name in found or tops.get(top) is None else _file(tops[top], below)
        if file is not None:
            found[name] = file
            wanted += [name.rpartition(".")[0]] if below else []
            wanted += _imports(file, name)
    return found


def parts_of(modules: Mapping[str, Path]) -> dict[str, str]:
    """The SHA-256 of each part of these modules, by the name of the part, sorted."""
    parts: dict[str, list[str]] = {}
    owners = {family.package: name for name, family in families().items()}
    for name in modules:
        parts.setdefault(_part(name, modules[name], owners), []).append(name)
    return {part: _digest({name: modules[name] for name in names}) for part, names in sorted(parts.items())}


def _part(name: str, file: Path, owners: Mapping[str, str]) -> str:
    """The part that a module belongs to: that of its family, else its folder or file at the top of this package."""
    for package, family in owners.items():
        if name == package or name.startswith(f"{package}."):
            return f"family {family}"
    if file.is_relative_to(PACKAGE):
        return file.relative_to(PACKAGE).parts[0]
    shared = sorted(family for package, family in owners.items() if package.partition(".")[0] == name.partition(".")[0])
    return f"family {shared[0]}"


def _digest(modules: Mapping[str, Path]) -> str:
    """One hash over the names and the hashes of some modules."""
    lines = (f"{name} {hashlib.sha256(modules[name].read_bytes()).hexdigest()}\n" for name in sorted(modules))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _folder(top: str) -> Path | None:
    """The folder of a top-level package, or of a top-level module its file; None where there is none."""
    if top == PACKAGE.name:
        return PACKAGE
    found = importlib.util.find_spec(top)
    if found is None:
        return None
    if found.submodule_search_locations:
        return Path(found.submodule_search_locations[0])
    return Path(found.origin) if found.origin else None


def _file(top: Path | None, below: str) -> Path | None:
    """The source file of what lies at a dotted name below a top-level package; None where it is no module."""
    if top is None or (top.is_file() and below):
        return None
    if top.is_file():
        return top
    place = top.joinpath(*below.split(".")) if below else top
    for file in (place / "__init__.py", place.with_suffix(".py")):
        if file.is_file():
            return file
    return None


def _imports(file: Path, name: str) -> Iterator[str]:
    """What a module imports when it runs, dotted: modules, and names in them that may be modules."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    pending: list[ast.AST] = [ast.parse(file.read_bytes())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            yield base
            yield from (f"{base}.{one.name}" for one in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            pending += node.orelse
        elif not isinstance(node, ast.expr):
            pending += ast.iter_child_nodes(node)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that an import names; a relative one (``from . import x``) begins at the package."""
    if not node.level:
        return node.module or ""
    base = package.split(".")
    above = base[: len(base) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])
