"""The mutation runner: which changes there are, which there are not, and that one is in force where it was put."""

from __future__ import annotations

import ast
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance import limits
from conformance.families.nat import checks as nat
from conformance.judging.register import check_of
from conformance.upkeep.mutation.areas import AREAS, files
from conformance.upkeep.mutation.changes import changes
from conformance.upkeep.mutation.mutants import Mutant, mutants, sample
from conformance.upkeep.mutation.swap import Live
from conformance.upkeep.mutation.workers import forked


def made(source: str, limit: bool = False) -> list[str]:
    return [one.what for one in changes(ast.parse(source), limit)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return a > b", ["`a > b` becomes `a >= b`", "`a > b` becomes `a <= b`"]),
        ("if a: b()", ["`a` becomes `True`", "`a` becomes `False`"]),
        ("case.require(a, 'no a')", ["`a` becomes `True`", "`case.require(a, 'no a')` becomes `pass`"]),
        ("x = [i for i in a if i]", ["`i` becomes `False`"]),
        ("return a or b", ["`a or b` becomes `a and b`", "`a or b` becomes `b`"]),
        ("x = 3", ["`3` becomes `4`", "`3` becomes `2`"]),
        ("return found", ["`return found` becomes `return None`"]),
        ("case.window('idle')", ["`case.window('idle')` becomes `pass`"]),
        ("yield a", ["`yield a` becomes `pass`"]),
        ("x = a & ~b", ["`a & ~b` becomes `a | ~b`", "`~b` becomes `b`"]),
    ],
)
def test_a_decorated_function_is_changed(body: str, expected: list[str]) -> None:
    assert set(expected) <= set(made(f"@check('nat.x')\ndef test(case):\n    {body}\n"))


@pytest.mark.parametrize(
    "body",
    [
        "'a docstring'",
        "x = f'{a + 1} of {len(b) - 1}'",
        "case.note('a' if b else 'c')",
        "raise UsageError('a' * 3)",
        "x = 'a' if b > 1 else 'c'",
        "text += f'{a}'",
        "x: Literal[3]",
    ],
)
def test_texts_are_left_alone(body: str) -> None:
    assert [what for what in made(f"def f(case, a=3):\n    {body}\n") if "becomes `pass`" not in what] == []


def test_limits_change_by_a_factor_of_ten() -> None:
    assert made("PROMPT: Final = 1.0", True) == ["`1.0` becomes `10.0`", "`1.0` becomes `0.1`"]


def test_every_check_is_changed() -> None:
    changed = {one.path for one in mutants() if one.area == "checks"}
    assert changed == set(files("checks"))
    assert {one.area for one in mutants()} == set(AREAS)


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    every = mutants()
    assert sample(every, 1000, 3) == sample(every, 1000, 3) != sample(every, 1000, 4)
    areas = Counter(one.area for one in sample(every, 1000, 3))
    assert areas.total() == 1000
    assert areas["checks"] >= 300
    assert set(areas) == set(AREAS)


def the(path: Path, what: str) -> Mutant:
    return next(one for one in mutants() if one.path == path and what in one.what)


def in_another_process(work: Callable[[], object]) -> object:
    (end,) = forked([work], 1)
    assert not end.problem
    return end.answer


def test_a_mutant_is_in_force_in_whatever_holds_the_function() -> None:
    path = next(path for path in files("checks") if path.parent.name == "nat")
    mutant = the(path, "`peer == flow.local` becomes `peer != flow.local`")
    held = check_of(nat.test_client_address_is_seen)
    assert held is not None
    before = held.function.__code__

    def changed() -> bool:
        Live().put(mutant)
        return held.function.__code__ != before

    assert in_another_process(changed) is True
    assert held.function.__code__ == before


def test_a_limit_is_changed_with_what_is_made_of_it() -> None:
    mutant = the(files("limits")[0], f"`{limits.PROMPT}` becomes `{limits.PROMPT * 10}`")

    def values() -> list[object]:
        Live().put(mutant)
        assert mutant.name is not None
        return [getattr(limits, mutant.name), os.getpid()]

    answer = in_another_process(values)
    assert isinstance(answer, list)
    assert answer[0] == 10 * limits.PROMPT
    assert answer[1] != os.getpid()
