"""The alternatives to one node of a syntax tree: operators, constants, conditions, returns, statements left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Final

from conformance.upkeep.mutation.texts import SENTENCES, is_text, method

COMPARISONS: Final[Mapping[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: Final[Mapping[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.Pow: ast.Mult,
}
FUNCTIONS: Final[Mapping[str, str]] = {"any": "all", "all": "any", "min": "max", "max": "min"}
CONDITIONS: Final[Mapping[str, int]] = {"require": 0, "applies": 0, "expect": 0, "expect_flow": 1, "unhurried": 1}
"""Functions that are given a condition, and which argument it is."""
EMPTY: Final[Mapping[str, str]] = {
    "list": "[]",
    "Sequence": "[]",
    "Iterable": "[]",
    "tuple": "()",
    "set": "set()",
    "frozenset": "frozenset()",
    "dict": "{}",
    "Mapping": "{}",
}
"""What stands for an empty container of an annotation's name."""


def alternatives(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in the place of a node, wherever it stands."""
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield ast.BoolOp(other, node.values)
            for place in range(len(node.values)):
                left = [*node.values[:place], *node.values[place + 1 :]]
                yield left[0] if len(left) == 1 else ast.BoolOp(node.op, left)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield operand
        case ast.BinOp() if type(node.op) in OPERATORS:
            yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
        case ast.AugAssign() if type(node.op) in OPERATORS and not is_text(node.value):
            yield ast.AugAssign(node.target, OPERATORS[type(node.op)](), node.value)
        case ast.Constant(value=bool() | int() | float() as value):
            yield from (ast.Constant(other) for other in numbers(value))
        case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
            yield ast.Call(ast.Name(FUNCTIONS[name], ast.Load()), node.args, node.keywords)
        case ast.Expr(value=ast.Call() as call) if method(call) not in SENTENCES:
            yield without(node)
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
            yield without(node)
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


def _comparisons(node: ast.Compare) -> Iterator[ast.Compare]:
    for place, operator in enumerate(node.ops):
        for other in COMPARISONS[type(operator)]:
            yield ast.Compare(node.left, [*node.ops[:place], other(), *node.ops[place + 1 :]], node.comparators)


def numbers(value: float) -> Iterator[float]:
    """Yield other numbers: the opposite, a neighbour, or ten times as much and as little."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
        if value:
            yield value - 1
    else:
        yield value * 10 if value else 1.0
        yield value / 10 if value else -1.0


def decades(value: float) -> Iterator[float]:
    """Yield other limits: ten times as long, and a tenth."""
    yield value * 10
    yield value // 10 if isinstance(value, int) else value / 10


def conditions(parent: ast.AST, field: str, child: ast.AST) -> Iterator[ast.AST]:
    """Yield True and False in the place of a condition; nothing where the child is none."""
    if not isinstance(child, ast.expr) or isinstance(child, ast.Constant):
        return
    place = CONDITIONS.get(method(parent))
    given = isinstance(parent, ast.Call) and place is not None and child in parent.args[place : place + 1]
    tested = isinstance(parent, ast.If | ast.IfExp) and field == "test"
    if given or tested or (isinstance(parent, ast.comprehension) and field == "ifs"):
        yield instead(child, True)
        yield instead(child, False)
    elif isinstance(parent, ast.While) and field == "test":
        yield instead(child, False)


def instead(condition: ast.expr, value: bool) -> ast.expr:
    """A constant, in an expression that still names what the condition names: a closure keeps its variables."""
    return ast.IfExp(ast.Constant(True), ast.Constant(value), condition)


def without(statement: ast.stmt) -> ast.stmt:
    """Nothing, in a statement that still names what the statement names, and yields if it yields."""
    return ast.If(ast.Constant(False), [statement], [])


def returns(node: ast.Return, annotation: ast.expr | None) -> Iterator[ast.Return]:
    """Yield what else a function could return, by the annotation of its result."""
    if node.value is None or is_text(node.value):
        return
    text = "" if annotation is None else ast.unparse(annotation)
    empty = isinstance(node.value, ast.Constant) and not node.value.value
    if text == "bool":
        yield ast.Return(ast.UnaryOp(ast.Not(), node.value))
    elif text in ("int", "float"):
        yield ast.Return(ast.BinOp(node.value, ast.Add(), ast.Constant(1)))
    elif (container := text.partition("[")[0]) in EMPTY and "| None" not in text:
        yield ast.Return(ast.parse(EMPTY[container], mode="eval").body)
    elif text not in ("str", "None") and not empty:
        yield ast.Return(ast.IfExp(ast.Constant(True), ast.Constant(None), node.value))
