"""What is text in a syntax tree: strings, messages, notes. Texts are not mutated, since no verdict rests on them."""

from __future__ import annotations

import ast
from typing import Final

KEYWORDS: Final = frozenset({"expected", "seen", "otherwise"})
"""Arguments that are sentences for people."""
SENTENCES: Final = frozenset({"note", "show"})
"""Methods of a case that are given sentences only."""
SECOND: Final = frozenset({"require", "applies"})
"""Methods of a case whose second argument is a sentence."""
SKIPPED: Final = frozenset({"annotation", "returns", "decorator_list", "args", "type_params"})
"""Fields of functions and statements that are no part of a body."""


DEFINING: Final = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.AnnAssign | ast.ClassDef


def is_text(node: ast.AST) -> bool:
    """An expression that is certainly a string."""
    match node:
        case ast.JoinedStr() | ast.Constant(value=str()):
            return True
        case ast.BinOp(left=left, op=ast.Add() | ast.Mod(), right=right):
            return is_text(left) or is_text(right)
        case ast.IfExp(body=body, orelse=other):
            return is_text(body) and is_text(other)
        case ast.BoolOp(values=values):
            return any(is_text(one) for one in values)
        case ast.Call(func=ast.Attribute(value=value, attr="join" | "format")):
            return is_text(value)
    return False


def method(node: ast.AST) -> str:
    """The name of the method or function that a call calls; empty for anything else."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name
    return ""


def left_out(parent: ast.AST, field: str, child: ast.AST) -> bool:
    """A child that is text, or no part of a body: nothing in it is mutated."""
    if is_text(child) or isinstance(child, ast.Raise | ast.Assert) or method(child) in SENTENCES:
        return True
    if (
        isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.AnnAssign | ast.ClassDef)
        and field in SKIPPED
    ):
        return True
    if isinstance(child, ast.keyword) and child.arg in KEYWORDS:
        return True
    if isinstance(parent, ast.AugAssign) and is_text(parent.value):
        return True
    return method(parent) in SECOND and isinstance(parent, ast.Call) and child in parent.args[1:2]
