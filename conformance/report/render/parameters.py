"""Sets of parameters in few words: ``ipv4 udp, inbound+outbound`` instead of a line for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from conformance.report.render.text import one_line

Parameters = Mapping[str, str]
Box = dict[str, frozenset[str]]
"""Every combination of one value of each parameter."""

_FIRST = ("family", "protocol")
_LAST = ("path", "testbed")
SHOWN = 3
"""Boxes that are spelled out; the rest is counted."""


def summarise(chosen: Sequence[Parameters], known: Sequence[Parameters]) -> str:
    """`chosen` in few words, among all the parameter sets `known` for the requirement.

    A parameter that takes every known value is left out, as is one that has a single value anyway; where `chosen` is
    all there is, that is said. Empty where there is one set and nothing to tell it from.
    """
    values = {name: {each[name] for each in known if name in each} for each in known for name in each}
    if len(chosen) > 1 and len(chosen) >= len(known):
        return f"all {len(known)} cases"
    boxes = _boxes(chosen)
    texts = [_text(box, values) for box in boxes[:SHOWN]]
    hidden = len(chosen) - sum(_size(box) for box in boxes[:SHOWN])
    if hidden > 0:
        texts.append(f"{hidden} more")
    return "; ".join(text for text in texts if text)


def spelled_out(chosen: Sequence[Parameters]) -> str:
    """`chosen` in few words with every parameter named, for where nothing is known of the others."""
    boxes = _boxes(chosen)
    texts = [_text(box, {}) for box in boxes[:SHOWN]]
    hidden = len(chosen) - sum(_size(box) for box in boxes[:SHOWN])
    return "; ".join([text for text in texts if text] + ([f"{hidden} more"] if hidden > 0 else []))


def _boxes(chosen: Iterable[Parameters]) -> list[Box]:
    """`chosen` as few boxes: two that differ in one parameter become one, until none do."""
    boxes: list[Box] = [{name: frozenset({value}) for name, value in each.items()} for each in chosen]
    names = sorted({name for box in boxes for name in box}, key=_rank, reverse=True)
    before = len(boxes) + 1
    while len(boxes) < before:
        before = len(boxes)
        for name in names:
            boxes = _merged(boxes, name)
    return sorted(boxes, key=lambda box: (-_size(box), [(name, sorted(box[name])) for name in sorted(box)]))


def _merged(boxes: list[Box], name: str) -> list[Box]:
    groups: dict[tuple[object, ...], Box] = {}
    for box in boxes:
        rest = (name in box, *sorted((other, tuple(sorted(box[other]))) for other in box if other != name))
        known = groups.setdefault(rest, dict(box))
        if name in box:
            known[name] |= box[name]
    return list(groups.values())


def _size(box: Box) -> int:
    size = 1
    for values in box.values():
        size *= len(values)
    return size


def _text(box: Box, known: Mapping[str, AbstractSet[str]]) -> str:
    shown = [name for name in sorted(box, key=_rank) if box[name] != known.get(name)]
    first = " ".join(_values(box[name]) for name in shown if name in _FIRST)
    return ", ".join(filter(None, [first, *(_values(box[name]) for name in shown if name not in _FIRST)]))


def _values(values: Iterable[str]) -> str:
    return one_line("+".join(sorted(values)))


def _rank(name: str) -> tuple[int, str]:
    if name in _FIRST:
        return _FIRST.index(name), ""
    return (20 + _LAST.index(name), "") if name in _LAST else (10, name)
