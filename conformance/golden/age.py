"""Hashes of what a golden recording was made from: the code of its scenario, and the requirements that it decides."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.family import scenarios
from conformance.requirement import catalogue

SHORT: Final = 8
"""Hexadecimal digits of a hash that are kept: it finds changes, and proves nothing."""


@functools.cache
def scenario_hash(name: str) -> str:
    """The hash of a scenario's code: its module, and those beside it that it imports, without words for people."""
    texts = (code_of(path) for path in sorted(_modules(_path(scenarios()[name].module))))
    return _hash("\n".join(texts))


@functools.cache
def requirement_hash(name: str) -> str:
    """The hash of a requirement as the catalogue has it."""
    row = catalogue()[name].model_dump(mode="json")
    return _hash(json.dumps(row, sort_keys=True, ensure_ascii=False))


def code_of(path: Path) -> str:
    """The lines of a module that do something: without docstrings, comments and blank lines."""
    text = path.read_text(encoding="utf-8")
    words = {number for node in ast.walk(ast.parse(text)) for number in _docstring(node)}
    lines = (line.rstrip() for number, line in enumerate(text.splitlines(), 1) if number not in words)
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def _docstring(node: ast.AST) -> Iterator[int]:
    """The numbers of the lines of a node's docstring, and of any other text that stands by itself."""
    body = getattr(node, "body", ())
    for one in body if isinstance(body, list) else ():
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
            yield from range(one.lineno, (one.end_lineno or one.lineno) + 1)


def _path(module: str) -> Path:
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin)


def _modules(path: Path) -> set[Path]:
    """A module, and the modules of its own folder that it imports, and so on."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += _beside(each)
    return found


def _beside(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            module = path.parent / f"{name.rpartition('.')[2]}.py"
            if module.stem.startswith("scenario") and module.is_file():
                yield module


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT]
