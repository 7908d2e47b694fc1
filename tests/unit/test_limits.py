"""Deadlines are in one place: no wait and no number of seconds is written where it is used."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.upkeep.architecture import PACKAGE

WAITS = frozenset({"silence", "keep_silent", "within", "wait_for"})
FOLDERS = ("families", "judging", "provoking", "lab/partners")
FILES = [path for folder in FOLDERS for path in sorted((PACKAGE / folder).rglob("*.py")) if "faults" not in path.stem]


def number(node: ast.expr, *but: int) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and node.value not in but


def second(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "SECOND"


def hidden(tree: ast.AST) -> Iterator[int]:
    """Lines on which a wait is given a number, or seconds are counted by one other than 1."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in WAITS and any(number(one) for one in node.args):
                yield node.lineno
        elif isinstance(node, ast.BinOp):
            sides = (node.left, node.right)
            if any(map(second, sides)) and any(number(one, 0, 1) for one in sides):
                yield node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_number_of_seconds_is_written_where_it_is_used(path: Path) -> None:
    assert list(hidden(ast.parse(path.read_text()))) == [], "name it in limits.py, with its clause"


def test_every_limit_is_explained() -> None:
    """By the text behind it, or behind the last of several that belong together."""
    body = ast.parse((PACKAGE / "limits.py").read_text()).body
    for here, behind in zip(body, [*body[1:], None], strict=True):
        if isinstance(here, ast.AnnAssign):
            assert isinstance(behind, ast.AnnAssign | ast.Expr), ast.unparse(here)
