"""Mutants: every change of every area, and a seeded sample of them."""

from __future__ import annotations

import ast
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from conformance.upkeep.mutation.areas import all_files, shown
from conformance.upkeep.mutation.changes import changes, constant, parsed

LEAST: Final[Mapping[str, float]] = {"checks": 0.3}
"""The least share of a sample that an area has; every other one has its share of the mutants, and a hundredth."""
EVERY: Final = 0.01


@dataclass(frozen=True)
class Mutant:
    """One change: the `place`-th of its file. `lines` are those that run where it matters; `name` is a constant's."""

    area: str
    path: Path
    place: int
    lines: range
    what: str
    name: str | None

    def __str__(self) -> str:
        return f"{shown(self.path)}:{self.lines.start} {self.what}"

    def tree(self) -> ast.Module:
        """The tree of its file with the change made."""
        tree = parsed(self.path)
        changes(tree, self.area == "limits")[self.place].put()
        return tree


@cache
def mutants() -> tuple[Mutant, ...]:
    """Every mutant of every area. A limit that no other area reads is none: it decides no verdict."""
    found = []
    for area, path in all_files():
        for place, one in enumerate(changes(parsed(path), area == "limits")):
            if area != "limits" or one.name in limits_read():
                found.append(Mutant(area, path, place, one.lines, one.what, one.name))
    return tuple(found)


def names_in(tree: ast.AST) -> set[str]:
    """Every name and attribute that a tree mentions."""
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
    }


@cache
def limits_read() -> frozenset[str]:
    """The limits that another area reads, and those that these are made of."""
    read = {name for area, path in all_files() if area != "limits" for name in names_in(parsed(path))}
    paths = [path for area, path in all_files() if area == "limits"]
    for statement in reversed([one for path in paths for one in parsed(path).body]):
        if constant(statement) in read:
            read |= names_in(statement)
    return frozenset(read)


def sample(every: Sequence[Mutant], number: int, seed: int) -> list[Mutant]:
    """A sample of `number` mutants (0: all), the same for the same seed, by area; in the order of the files."""
    if not number or number >= len(every):
        return list(every)
    chance = random.Random(seed)
    areas: dict[str, list[Mutant]] = defaultdict(list)
    for one in every:
        areas[one.area].append(one)
    chosen: set[Mutant] = set()
    for area, known in areas.items():
        share = max(LEAST.get(area, EVERY), len(known) / len(every))
        chosen.update(chance.sample(known, min(len(known), round(share * number))))
    chosen = set(_trimmed(chosen, number, chance))
    left = [one for one in every if one not in chosen]
    chosen.update(chance.sample(left, number - len(chosen)))
    return [one for one in every if one in chosen]


def _trimmed(chosen: Iterable[Mutant], number: int, chance: random.Random) -> list[Mutant]:
    listed = sorted(chosen, key=lambda one: (one.path, one.place))
    return listed if len(listed) <= number else chance.sample(listed, number)
