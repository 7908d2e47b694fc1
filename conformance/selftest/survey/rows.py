"""What the record says of an implementation, row by row and value by value: altered like frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from ipaddress import ip_interface
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from conformance.recording.model import Record
from conformance.recording.store import Recording
from conformance.selftest.survey.alteration import Alteration
from conformance.selftest.survey.editing import Edit

ROW: Final = "the row"
"""Stands for the value where a whole row is altered."""
STATUS: Final = "flows.status"
"""How a flow ended: an answered one has an answer, too, which is altered with its packets."""
GONE: Final = "gone"
EMPTIED: Final = "emptied"
Step = str | int
Path = tuple[Step, ...]


class Value(NamedTuple):
    """One value of a record, or one row of a table: where it is, its name without indexes, and what it is.

    `words` are those that can stand there, where the model knows them.
    """

    path: Path
    name: str
    value: Any
    row: bool
    words: tuple[str, ...] = ()


def rows(recording: Recording, patterns: Sequence[str]) -> Mapping[str, list[Value]]:
    """The values and rows of a record that a pattern names, by name, in their order.

    A name is dotted and has no index: ``snapshots.routes.gateway``, ``events.shown.detail.rows`` (with the kind of the
    event in it). A pattern is such a name with wildcards.
    """
    found: dict[str, list[Value]] = defaultdict(list)
    for one in _walk(recording.record, (), ""):
        if any(fnmatchcase(one.name, pattern) for pattern in patterns):
            found[one.name].append(one)
    return found


def _walk(value: Any, path: Path, name: str) -> Iterator[Value]:
    if isinstance(value, BaseModel):
        kind = f".{value.kind}" if name == "events" and hasattr(value, "kind") else ""
        for key, known in type(value).model_fields.items():
            for one in _walk(getattr(value, key), (*path, key), f"{name}{kind}.{key}".lstrip(".")):
                words = get_args(known.annotation) if get_origin(known.annotation) is Literal else ()
                yield one._replace(words=words) if words else one
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _walk(one, (*path, key), f"{name}.{key}")
    elif isinstance(value, tuple | list):
        for place, one in enumerate(value):
            yield Value((*path, place), _named(name, one), one, row=True)
            if isinstance(one, BaseModel | Mapping):
                yield from _walk(one, (*path, place), name)
    elif value is not None:
        yield Value(path, name, value, row=False)


def _named(name: str, row: Any) -> str:
    return f"{name}.{row.kind}" if name == "events" and hasattr(row, "kind") else name


def of_rows(recording: Recording, values: Sequence[Value], chosen: Iterable[int]) -> Iterator[Alteration]:
    """The alterations of the chosen ones of all values of one name."""
    for place in chosen:
        one = values[place]
        if one.name == STATUS and one.value == "answered":
            continue
        others = [other.value for other in values if other.value != one.value]
        for how, change in _changes(one, others):
            field = ROW if one.row else one.name.rpartition(".")[2]
            subject = one.name if one.row else one.name.rpartition(".")[0]
            yield Alteration(
                f"record {subject}",
                field,
                how,
                f"{recording.name} {'.'.join(map(str, one.path))}",
                partial(_edit, recording, one.path, change),
                destroys=how in (GONE, EMPTIED),
            )


Change = Callable[[Any], tuple[Any, ...]]
"""What stands in the place of a value: nothing, one or more (more than one only in a row's place)."""


def _changes(one: Value, others: Sequence[Any]) -> Iterator[tuple[str, Change]]:
    value = one.value
    if one.row:
        yield GONE, lambda _: ()
        yield "doubled", lambda row: (row, row)
    if isinstance(value, bool):
        yield "flipped", lambda flag: (not flag,)
    elif isinstance(value, int | float):
        if value:
            yield "zero", lambda number: (type(number)(0),)
        yield "plus one", lambda number: (number + 1,)
    elif one.words:
        place = one.words.index(value) + 1
        word = one.words[place % len(one.words)]
        yield "another word", lambda _: (word,)
    elif isinstance(value, str):
        yield from _texts(value)
    if others and not one.words and isinstance(value, str | Mapping | BaseModel):
        yield "stale", lambda _: (others[0],)


def _texts(value: str) -> Iterator[tuple[str, Change]]:
    next_one = _next_address(value)
    if next_one is not None:
        yield "plus one", lambda _: (next_one,)
    elif value:
        yield EMPTIED, lambda _: ("",)


def _next_address(text: str) -> str | None:
    """The next IP address (with its prefix length, if it has one), None where the text is none, or the last one."""
    try:
        one = ip_interface(text)
        following = str(one.ip + 1)
    except ValueError:
        return None
    return f"{following}/{one.network.prefixlen}" if "/" in text else following


def _edit(recording: Recording, path: Path, change: Change) -> Edit:
    return Edit(record=changed(recording.record, path, change))


def changed(record: Record, path: Path, change: Change) -> Record:
    """The record with something else in the place of one value."""
    made = _put(record, path, change)
    assert isinstance(made, Record)
    return made


def _put(value: Any, path: Path, change: Change) -> Any:
    step, rest = path[0], path[1:]
    if isinstance(value, BaseModel):
        new = _put(getattr(value, str(step)), rest, change) if rest else change(getattr(value, str(step)))[0]
        return value.model_copy(update={str(step): new})
    if isinstance(value, Mapping):
        return {**value, step: _put(value[step], rest, change) if rest else change(value[step])[0]}
    at = int(step)
    new_rows = (_put(value[at], rest, change),) if rest else change(value[at])
    return type(value)((*value[:at], *new_rows, *value[at + 1 :]))
