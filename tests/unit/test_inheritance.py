"""Classes of ours inherit at most once: a class and one base. What goes deeper holds what it builds on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEEPEST = 2
UNCOUNTED = {("conformance.validation", "Strict")}
"""A model of the library with its settings, and nothing else."""

Name = tuple[str, str]
"""A class: its module and its name there."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def module(name: str) -> tuple[dict[str, ast.ClassDef], dict[str, Name]]:
    """The classes of a module of ours, and what each imported name is elsewhere."""
    path = ROOT.joinpath(*name.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(source.read_text()) if source.is_file() else ast.Module([], [])
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    imported = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    return classes, imported


def found(where: str, base: ast.expr) -> Name | None:
    """The class that an expression in a module's list of bases means, None where it is no name."""
    classes, imported = module(where)
    if isinstance(base, ast.Subscript):
        return found(where, base.value)
    if isinstance(base, ast.Name):
        return (where, base.id) if base.id in classes else imported.get(base.id)
    if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name) and base.value.id in imported:
        return ".".join(imported[base.value.id]), base.attr
    return None


def depth(name: Name) -> int:
    """How many classes of ours a class is made of, itself included; 0 for a library's, a Protocol, and `UNCOUNTED`."""
    classes, imported = module(name[0])
    if name[1] not in classes:
        return depth(imported[name[1]]) if name[1] in imported else 0
    bases = [found(name[0], base) for base in classes[name[1]].bases]
    if name in UNCOUNTED or ("typing", "Protocol") in bases:
        return 0
    return 1 + max((depth(base) for base in bases if base is not None), default=0)


def ours() -> Iterator[Name]:
    for path in sorted((ROOT / "conformance").rglob("*.py")):
        yield from ((module_of(path), name) for name in module(module_of(path))[0])


def test_a_class_has_one_base_of_ours_at_most_and_that_has_none() -> None:
    deeper = [
        f"{where}.{name} is {depth((where, name))} deep" for where, name in ours() if depth((where, name)) > DEEPEST
    ]
    assert not deeper, "\n".join(deeper)


def test_the_depth_of_classes_is_found_across_modules() -> None:
    assert depth(("conformance.adapters.linux.network", "Network")) == 1
    assert depth(("conformance.adapters.linux.mover", "Mover")) == 2
    assert depth(("conformance.testbed", "HostStation")) == 2
    assert depth(("conformance.validation", "Strict")) == 0
