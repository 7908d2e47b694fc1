"""A mutant put in force in a running process: new code for the functions that are there, new values for constants.

A function keeps its identity, so that decorators, registers and other modules that hold it hold the mutant.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from conformance.upkeep.mutation.areas import all_files, module_name
from conformance.upkeep.mutation.changes import constant, parsed
from conformance.upkeep.mutation.mutants import Mutant, names_in

Where = tuple[str, str, int]
"""What identifies code: file, qualified name, first line."""


class Live:
    """The functions, caches and constants of the areas' modules in this process, found once."""

    def __init__(self) -> None:
        wanted = {str(path) for _, path in all_files()}
        modules = {module_name(path) for _, path in all_files()}
        for name in modules:
            importlib.import_module(name)
        self.functions: dict[Where, list[FunctionType]] = defaultdict(list)
        self.caches: list[functools._lru_cache_wrapper[object]] = []
        for one in gc.get_objects():
            if isinstance(one, FunctionType) and one.__code__.co_filename in wanted:
                self.functions[_where(one.__code__)].append(one)
            elif isinstance(one, functools._lru_cache_wrapper) and one.__module__ in modules:
                self.caches.append(one)

    def put(self, mutant: Mutant) -> None:
        """Put a mutant in force. Raises LookupError where nothing that lives is what it changes."""
        self.forget()
        if mutant.name is None:
            self._functions(mutant)
        else:
            statement = next(one for one in mutant.tree().body if constant(one) == mutant.name)
            _assign(sys.modules[module_name(mutant.path)], statement)

    def forget(self) -> None:
        """Empty the caches: what was computed before is computed again."""
        for cache in self.caches:
            cache.cache_clear()

    def _functions(self, mutant: Mutant) -> None:
        path = str(mutant.path)
        before = compile(parsed(mutant.path), path, "exec", dont_inherit=True)
        after = compile(mutant.tree(), path, "exec", dont_inherit=True)
        changed = 0
        for old, new in _differing(before, after):
            for function in self.functions[_where(old)]:
                if function.__code__ == old:
                    function.__code__ = new
                    changed += 1
        if not changed:
            raise LookupError(f"{mutant}: no function of this process is the one that is changed")


def _where(code: CodeType) -> Where:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _differing(before: CodeType, after: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Yield the code of every function that differs, old and new."""
    known: dict[Where, list[CodeType]] = defaultdict(list)
    for code in _inner(after):
        known[_where(code)].append(code)
    for old in _inner(before):
        if (same := known[_where(old)]) and (new := same.pop(0)) != old:
            yield old, new


def _inner(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _inner(one)


def _assign(module: ModuleType, statement: ast.stmt) -> None:
    """Run an assignment of a module again, and set its name wherever the old value has it; so for what rests on it."""
    name = constant(statement)
    assert name is not None
    namespace = dict(vars(module))
    code = compile(ast.Module([statement], []), module.__file__ or "", "exec", dont_inherit=True)
    exec(code, namespace)  # noqa: S102 - the suite's own statement
    old, new = vars(module)[name], namespace[name]
    for other in list(sys.modules.values()):
        if vars(other).get(name) is old:
            setattr(other, name, new)
    for dependent, further in dependents(name):
        _assign(sys.modules[module_name(dependent)], further)


@functools.cache
def dependents(name: str) -> list[tuple[Path, ast.stmt]]:
    """The assignments of the areas' modules whose values mention a constant."""
    return [
        (path, statement)
        for _, path in all_files()
        for statement in parsed(path).body
        if constant(statement) not in (None, name) and name in names_in(statement)
    ]
