"""Templates of dialects: data, not programs. A template reads values and writes lines, and can do nothing else.

A dialect may come from anybody. Its templates are rendered in Jinja2's immutable sandbox, without its globals, with the
filters and methods that are listed here, and with a budget of work: no template reaches Python, and none goes on for
ever or fills the memory.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextvars import ContextVar
from ipaddress import IPv4Network
from typing import Any, Final

from jinja2 import StrictUndefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from conformance.errors import UsageError
from conformance.protocols.mac import mac_from

LONGEST: Final = 1 << 16
"""Characters of a template."""
BUDGET: Final = 20_000_000
"""Characters that a rendering may handle; every step of a loop and every call counts as much as its template."""
LARGEST: Final = 1 << 63
KEPT: Final = (
    "batch", "default", "first", "int", "join", "last", "length", "list", "lower", "replace", "sort", "trim", "unique",
    "upper",
)  # fmt: skip
"""Filters of Jinja2 that templates may use, besides ``mac`` and ``wildcard``."""
METHODS: Final[Mapping[type, frozenset[str]]] = {
    str: frozenset({"endswith", "lower", "lstrip", "rstrip", "split", "splitlines", "startswith", "strip", "upper"}),
    Mapping: frozenset({"get", "items", "keys", "values"}),
    LoopContext: frozenset({"first", "index", "index0", "last", "length"}),
}
"""Attributes that templates may use; all others of a value are its keys."""


class _Budget:
    """What is left for one rendering of a template of some length."""

    def __init__(self, length: int) -> None:
        self._step = length + 20
        self._left = BUDGET

    def spend(self, amount: int) -> None:
        """Count some characters. Raises SecurityError where none are left."""
        self._left -= amount
        if self._left < 0:
            raise SecurityError("it goes on for too long, or writes too much")

    def step(self) -> None:
        """Count one step of a loop, or one call."""
        self.spend(self._step)

    def made(self, value: Any) -> Any:
        """The value, when all that it holds was counted. Raises SecurityError also for a number that is too large."""
        if isinstance(value, int) and abs(value) >= LARGEST:
            raise SecurityError("a number in it is too large")
        self.spend(30 + (len(value) if isinstance(value, Sized) else 0))
        if isinstance(value, Mapping):
            self.made([*value.values()])
        elif isinstance(value, (list, tuple)):
            for inner in value:
                self.made(inner)
        return value


_budget: ContextVar[_Budget] = ContextVar("budget")


class _Counting(NodeTransformer):
    """Counts the steps of every loop, and the length of every text that is put together."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - named by Jinja2
        """A loop whose steps are counted."""
        made = self.generic_visit(node)
        assert isinstance(made, nodes.For)
        assert isinstance(made.iter, nodes.Expr)
        made.iter = _filtered(made.iter, "_steps")
        return made

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802 - named by Jinja2
        """A comparison whose sides are counted."""
        made = self.generic_visit(node)
        assert isinstance(made, nodes.Compare)
        made.expr = _filtered(made.expr, "_made")
        for side in made.ops:
            side.expr = _filtered(side.expr, "_made")
        return made

    def _whole(self, node: nodes.Expr) -> nodes.Node:
        """A text or list that was put together and is counted; a tuple of names that are set is none."""
        made = self.generic_visit(node)
        assert isinstance(made, nodes.Expr)
        return made if getattr(node, "ctx", "load") != "load" else _filtered(made, "_made")

    visit_Concat = visit_List = visit_Tuple = visit_Dict = visit_Getitem = _whole  # noqa: N815 - named by Jinja2


def _filtered(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2 without Python: values, their keys, a few methods and filters."""

    intercepted_binops = frozenset(["+", "*", "%", "**"])

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        made = _Counting().visit(super()._parse(source, name, filename))
        assert isinstance(made, nodes.Template)
        return made

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002 - as in Jinja2
        """Only the methods that are listed."""
        return _listed(obj, attr)

    def is_safe_callable(self, obj: Any) -> bool:
        """Macros of the template, and the methods that are listed."""
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        return isinstance(obj, Macro) or (owner is not None and _listed(owner, name))

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """The result of a macro or method, when the call and what it returns were counted."""
        budget = _budget.get()
        budget.step()
        owner = getattr(obj, "__self__", None)
        budget.spend(len(owner) if isinstance(owner, Sized) else 0)
        return budget.made(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Sums of all values; products and remainders of numbers. Raises SecurityError for others."""
        if operator == "**" or (operator != "+" and not all(isinstance(one, (int, float)) for one in (left, right))):
            raise SecurityError(f"{operator!r} is for numbers" if operator != "**" else "'**' is not known")
        return _budget.get().made(super().call_binop(context, operator, left, right))


def _listed(owner: object, name: str) -> bool:
    return any(name in names for kind, names in METHODS.items() if isinstance(owner, kind))


def _steps(values: Iterable[Any]) -> Iterator[Any]:
    budget = _budget.get()
    for value in values:
        budget.step()
        yield value


def _made(value: Any) -> Any:
    return _budget.get().made(value)


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose argument and result count."""

    @functools.wraps(function)
    def counting(*args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()):
            if isinstance(value, Sized):
                _made(value)
        return _made(function(*args, **kwargs))

    return counting


def _replaced(text: object, old: str, new: str, count: int = -1) -> str:
    """A text with another one in place of a part. Raises SecurityError where that makes it too long."""
    value = str(text)
    found = len(value) + 1 if not old else value.count(old)
    _budget.get().spend(len(value) + found * len(new))
    return value.replace(old, new, count)


def _written(value: Any) -> Any:
    """What an expression writes, when it was counted. Raises SecurityError for anything but texts and numbers."""
    if isinstance(value, StrictUndefined):
        return value
    if value is not None and not isinstance(value, (str, int, float)):
        raise SecurityError(f"{type(value).__name__} cannot be written; it is no text or number")
    return _made(str(value))


def _wildcard(prefix: str) -> str:
    """An IPv4 prefix as address and inverted mask."""
    network = IPv4Network(prefix)
    return f"{network.network_address} {network.hostmask}"


@functools.cache
def _environment() -> _Sandbox:
    made = _Sandbox(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False, finalize=_written
    )
    made.globals.clear()
    made.filters = {name: _counted(FILTERS[name]) for name in KEPT}
    made.filters |= {"replace": _replaced, "mac": lambda text: mac_from(text) or text, "wildcard": _wildcard}
    made.filters |= {"_steps": _steps, "_made": _made}
    return made


@functools.lru_cache(256)
def _compiled(template: str) -> Any:
    return _environment().from_string(template)


def rendered(template: str, values: Mapping[str, Any], place: str) -> str:
    """The text of a template. Raises UsageError with what is wrong; `place` names whose it is."""
    budget = _Budget(len(template))
    before = _budget.set(budget)
    try:
        if len(template) > LONGEST:
            raise SecurityError(f"longer than {LONGEST} characters")
        return str(_compiled(template).render(values))
    except Exception as problem:
        said = " ".join(f"{problem}".split()) or type(problem).__name__
        raise UsageError(f"dialect {place}: {said:.200}") from None
    finally:
        _budget.reset(before)
