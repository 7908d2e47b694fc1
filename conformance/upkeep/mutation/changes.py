"""Every change that can be made to one file: a walk over its functions and its constants."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from conformance.upkeep.mutation import alternatives as other
from conformance.upkeep.mutation.texts import is_text, left_out

Put = Callable[[ast.AST], None]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Change:
    """One change of a tree, of a node to a new one: `put` makes it, in that tree.

    `lines` run where it matters; `name` is the one of the constant that it changes, if it does.
    """

    lines: range
    old: ast.AST
    new: ast.AST
    place: Put
    name: str | None = None

    @property
    def what(self) -> str:
        """The change in words, as long as it is not made."""
        return f"`{_short(self.old)}` becomes `{_short(self.new)}`"

    def put(self) -> None:
        """Make the change; lines stay as they are, as tracebacks and tests see them."""
        self.place(ast.fix_missing_locations(ast.copy_location(self.new, self.old)))


def changes(tree: ast.Module, limits: bool = False) -> list[Change]:
    """Every change of a file, in the order of the file; numbers of `limits` change by a factor of ten."""
    found: list[Change] = []
    for statement in tree.body:
        found.extend(_in_definition(statement))
        name = constant(statement)
        if name is not None and isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            walk = _expressions(statement.value, partial(setattr, statement, "value"), limits)
            found.extend(Change(_span(statement), node, new, put, name) for node, new, put in walk)
    return found


def constant(statement: ast.stmt) -> str | None:
    """The name that a statement of a module gives to a value; None for any other statement."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return name
    return None


def _in_definition(statement: ast.stmt) -> Iterator[Change]:
    if isinstance(statement, ast.ClassDef):
        for one in statement.body:
            yield from _in_definition(one)
    elif isinstance(statement, Function):
        yield from _in_function(statement)


def _in_function(function: Function) -> Iterator[Change]:
    for owner, statement, put in _statements(function, function):
        span = _span(statement)
        new: ast.AST
        for new in other.alternatives(statement):
            yield Change(span, statement, new, put)
        if isinstance(statement, ast.Return):
            for new in other.returns(statement, owner.returns):
                yield Change(span, statement, new, put)
        for node, new, place in _within(statement):
            yield Change(span, node, new, place)


def _statements(owner: Function, parent: ast.AST) -> Iterator[tuple[Function, ast.stmt, Put]]:
    """Yield the statements of a body and of the bodies in it: the function, the statement, how to put another there."""
    for field, value in ast.iter_fields(parent):
        if not isinstance(value, list):
            continue
        for place, each in enumerate(value):
            if isinstance(each, ast.stmt) and not left_out(parent, field, each):
                yield owner, each, partial(value.__setitem__, place)
            if isinstance(each, ast.stmt | ast.excepthandler | ast.match_case):
                yield from _statements(each if isinstance(each, Function) else owner, each)


def _within(statement: ast.stmt) -> Iterator[tuple[ast.AST, ast.AST, Put]]:
    """Yield every change of the expressions of one statement: the node, the new one, how to put it there."""
    for field, child, put in _children(statement):
        if not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _changed(statement, field, child, put)


def _changed(parent: ast.AST, field: str, node: ast.AST, put: Put) -> Iterator[tuple[ast.AST, ast.AST, Put]]:
    yield from ((node, new, put) for new in other.conditions(parent, field, node))
    yield from ((node, new, put) for new in other.alternatives(node))
    for name, child, place in _children(node):
        yield from _changed(node, name, child, place)


def _expressions(node: ast.expr, put: Put, limits: bool) -> Iterator[tuple[ast.AST, ast.AST, Put]]:
    """Yield every change of the value of a constant."""
    if is_text(node):
        return
    match node:
        case ast.Constant(value=int() | float() as value) if limits and not isinstance(value, bool):
            yield from ((node, ast.Constant(new), put) for new in other.decades(value))
        case _:
            yield from ((node, new, put) for new in other.alternatives(node))
    for _, child, place in _children(node):
        if isinstance(child, ast.expr):
            yield from _expressions(child, place, limits)


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST, Put]]:
    """Yield the parts of a node that are no texts, each with its field and how to put another one in its place."""
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.AST) and not left_out(node, field, value):
            yield field, value, partial(setattr, node, field)
        elif isinstance(value, list):
            for place, each in enumerate(value):
                if isinstance(each, ast.AST) and not left_out(node, field, each):
                    yield field, each, partial(value.__setitem__, place)


def _span(statement: ast.stmt) -> range:
    """The lines of a statement, without those of the statements in it."""
    inner = [each.lineno for each in ast.walk(statement) if isinstance(each, ast.stmt) and each is not statement]
    end = statement.end_lineno or statement.lineno
    return range(statement.lineno, min([end + 1, *(line for line in inner if line > statement.lineno)]))


def _short(node: ast.AST) -> str:
    match node:
        case ast.If(test=ast.Constant(value=False)):
            return "pass"
        case ast.IfExp(test=ast.Constant(value=True), body=body):
            return ast.unparse(body)
        case ast.Return(value=ast.IfExp(test=ast.Constant(value=True), body=body)):
            return f"return {ast.unparse(body)}"
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else f"{text[:60]} ... {text[-25:]}"


def parsed(path: Path) -> ast.Module:
    """The tree of a file."""
    return ast.parse(path.read_text(), str(path))
