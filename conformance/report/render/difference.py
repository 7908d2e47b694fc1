"""A difference in words: for a terminal, as Markdown, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from conformance.report.difference import MEANING, Change, ChangeKind, Comparison, Difference
from conformance.report.gate import Code
from conformance.report.model import as_json
from conformance.report.render.markdown import escaped
from conformance.report.render.parameters import spelled_out
from conformance.report.render.text import number_text, one_line, plural

FIGURES: Final = frozenset({ChangeKind.WORSE, ChangeKind.BETTER})
"""Kinds that are about one figure of an outcome, not about its verdict."""


def as_text(found: Difference, code: Code = 0) -> str:
    """Plain lines, of which the first says what the exit code `code` means; ends in one line end."""
    return "\n".join(_text(found, code)) + "\n"


def as_markdown(found: Difference, code: Code = 0) -> str:
    """The same as a page of Markdown, fit for the summary of a job; ends in one line end."""
    return "\n".join(_markdown(found, code)).rstrip("\n") + "\n"


def to_json(found: Difference, code: Code = 0) -> str:  # noqa: ARG001 - as its fellows
    """The whole difference as JSON; its schema is that of `Difference`."""
    return as_json(found.model_dump(mode="json"))


def headline(*compared: Comparison) -> str:
    """Changes counted: ``2 cases regressed, 1 case fixed, 4 figures worse``, or that nothing changed."""
    kinds = Counter(change.kind for each in compared for change in each.changes)
    return ", ".join(_counted(kind, kinds[kind]) for kind in ChangeKind if kinds[kind]) or "no outcome changed"


def verdict_line(found: Difference, code: Code) -> str:
    """The first line: what the gate makes of the difference, and all changes counted."""
    word = {0: "nothing worse", 1: "worse", 3: "cannot be said"}[code]
    return f"{word}: {headline(*found.comparisons)} ({plural(len(found.comparisons), 'implementation')} compared)"


def _counted(kind: ChangeKind, number: int) -> str:
    noun, word = ("figure", kind.removeprefix("figure ")) if kind in FIGURES else ("case", kind.value)
    return f"{plural(number, noun)} {word}"


def _circumstances(each: Comparison) -> Iterator[str]:
    yield from map(one_line, each.circumstances)
    if each.unmeasured:
        yield f"{plural(each.unmeasured, 'figure')} not compared: the noise between runs is unknown"


def _text(found: Difference, code: Code) -> Iterator[str]:
    yield verdict_line(found, code)
    for each in found.comparisons:
        yield f"{_names(each)}: {headline(each)}"
        yield from (f"  {text}" for text in _circumstances(each))
        for kind, lines in _by_kind(each):
            yield f"  {kind} ({MEANING[kind]}):"
            yield from (f"    {line}" for line in lines)
    yield from _alone(found)


def _markdown(found: Difference, code: Code) -> Iterator[str]:
    yield from ("# What changed", "", f"**{escaped(verdict_line(found, code))}**", "")
    yield from markdown_body(found)


def markdown_body(found: Difference) -> Iterator[str]:
    """What changed of each implementation, without a title."""
    for each in found.comparisons:
        yield from (f"## {escaped(_names(each))}", "", f"**{headline(each)}**", "")
        yield from (f"- {escaped(text)}" for text in _circumstances(each))
        for kind, lines in _by_kind(each):
            yield from ("", f"### {kind[0].upper()}{kind[1:]}: {MEANING[kind]}", "")
            yield from (f"- {escaped(line)}" for line in lines)
        yield ""
    yield from (f"- {escaped(line)}" for line in _alone(found))


def _names(each: Comparison) -> str:
    return each.new if each.old == each.new else f"{each.old} -> {each.new}"


def _alone(found: Difference) -> Iterator[str]:
    if found.only_old:
        yield f"only in the old reports: {', '.join(found.only_old)}"
    if found.only_new:
        yield f"only in the new reports: {', '.join(found.only_new)}"


def _by_kind(each: Comparison) -> Iterator[tuple[ChangeKind, list[str]]]:
    for kind in ChangeKind:
        groups: dict[tuple[str, str], list[Change]] = {}
        for change in each.changes:
            if change.kind is kind:
                groups.setdefault((change.requirement, change.figure), []).append(change)
        if groups:
            yield kind, [_line(group) for group in groups.values()]


def _line(group: Sequence[Change]) -> str:
    """One requirement's changes of one kind, told by the first."""
    first = group[0]
    where = spelled_out([change.parameters for change in group])
    excuse = "" if any(change.gates for change in group) else " (does not gate: informational or a known deviation)"
    about = f"{first.requirement} {first.level}, {plural(len(group), 'case')}{f' ({where})' if where else ''}{excuse}"
    if first.old_value is not None and first.new_value is not None:
        noise = number_text(first.noise or 0)
        values = f"{number_text(first.old_value)} -> {number_text(first.new_value)} (noise {noise})"
        return f"{about}: {one_line(first.figure)} {values}"
    was, now = (verdict.value if verdict else "nothing" for verdict in (first.old, first.new))
    return f"{about}: {was} -> {now}: {one_line(first.seen)}"
