"""The reach of tests: which lines of the areas each test runs, and how long it takes."""

from __future__ import annotations

import ast
import functools
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, Final

from conformance.upkeep.mutation.areas import all_files
from conformance.upkeep.mutation.changes import constant, parsed
from conformance.upkeep.mutation.mutants import Mutant
from conformance.upkeep.mutation.swap import dependents

CALLS: Final = 2000
"""Calls of one function in one test that are watched line by line; later ones rarely run another line."""
LINES: Final = 20_000
"""Lines that are watched of one call, for the same reason: a long loop."""
Local = Callable[[FrameType, str, Any], Any]


class Lines:
    """The lines of some files that run while it watches."""

    def __init__(self, files: frozenset[str]) -> None:
        self._files = files
        self._codes: dict[int, tuple[CodeType, set[int], int]] = {}
        self._calls: dict[int, int] = defaultdict(int)

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Local | None:
        """Watch a function that is called, as `sys.settrace` asks for it: by line while it may run a new one."""
        code = frame.f_code
        if code.co_filename not in self._files:
            return None
        key = id(code)
        if key not in self._codes:
            self._codes[key] = code, set(), len({line for *_, line in code.co_lines() if line})
        _, seen, all_lines = self._codes[key]
        self._calls[key] += 1
        if len(seen) == all_lines or self._calls[key] > CALLS:
            return None
        left = LINES

        def local(inner: FrameType, event: str, argument: Any) -> Local | None:  # noqa: ARG001 - as Python calls it
            nonlocal left
            left -= 1
            seen.add(inner.f_lineno)
            if left and len(seen) < all_lines:
                return local
            inner.f_trace = None
            return None

        return local(frame, event, argument)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what runs in this thread."""
        sys.settrace(self)
        try:
            yield
        finally:
            sys.settrace(None)

    def found(self) -> Iterator[tuple[str, int]]:
        """Yield every line that ran: file and number."""
        for code, seen, _ in self._codes.values():
            yield from ((code.co_filename, line) for line in seen)


@dataclass
class Reach:
    """Which tests run a line, by file and line, as places in the list of tests; `seconds` is what each test takes."""

    lines: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)

    def add(self, test: int, seconds: float, lines: Lines) -> None:
        """Add what one test ran."""
        self.seconds[test] = seconds
        for path, line in lines.found():
            self.lines.setdefault(path, {}).setdefault(line, []).append(test)

    def tests(self, mutant: Mutant) -> list[int]:
        """The tests that run what a mutant changes, the quickest first."""
        wanted = [(str(mutant.path), mutant.lines)] if mutant.name is None else readers(mutant.name)
        found = {test for path, span in wanted for line in span for test in self.lines.get(path, {}).get(line, ())}
        return sorted(found, key=lambda test: self.seconds[test])


def readers(name: str) -> list[tuple[str, Sequence[int]]]:
    """The lines of the areas' files that mention a constant, or one that is made of it."""
    names, added = {name}, {name}
    while added:
        added = {str(constant(each)) for one in added for _, each in dependents(one)} - names
        names |= added
    return [
        (path, [line]) for one in sorted(names) for path, lines in mentions().get(one, {}).items() for line in lines
    ]


@functools.cache
def mentions() -> dict[str, dict[str, list[int]]]:
    """The lines that mention a name, by name and file."""
    found: dict[str, dict[str, list[int]]] = {}
    for _, path in all_files():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Name | ast.Attribute):
                name = node.id if isinstance(node, ast.Name) else node.attr
                found.setdefault(name, {}).setdefault(str(path), []).append(node.lineno)
    return found
