"""The page of recordings: what lies in the folder, and every kind of event with its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from inspect import getdoc
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from conformance.recording.events.base import OF_EVERY_EVENT, Event
from conformance.recording.events.vocabulary import areas
from conformance.upkeep.documentation.place import DOCS, HEAD, row, text_of

INTRODUCTION = """\
A recording is a folder with three things:

- `recording.json` has the record: the profile, the testbed, endpoints, flows, windows, snapshots, moves and events. Its
  JSON Schema is printed by `plugfest schema recording`; `conformance/recording/model.py` documents every field.
- `frames.pcapng` has the frames of every tap, an interface for each.
- `logs/` has what the implementation and its tools wrote.

Times are nanoseconds since 1970 by the recording machine's clock, in the record and in the capture.

## Events

An event is a row with the time `time_ns`, the word `kind`, the place `where` that it happened to, and a `detail` that
holds the fields of its kind. A scenario writes `context.event(Carrier(where="port1", up=False))`, and the time is
stamped. A check reads `case.the(Carrier, where="port1")`, which needs one, or `case.all(Carrier)`. What a row has
beyond the fields of its kind is passed over; what it lacks leaves the verdict open.

A family of another distribution declares kinds of its own: a frozen dataclass
`class Rebooted(Event, kind="acme-rebooted")`, with `Event` of `conformance.recording.events`, in a module that its
scenarios and its checks import. Give the word a prefix of your own.
"""


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the page of recordings."""
    yield DOCS / "recordings.md", text_of(_page())


def _page() -> Iterator[str]:
    yield HEAD
    yield "# Recordings\n"
    yield INTRODUCTION
    for module, kinds in areas():
        yield f"### {module.__name__.rpartition('.')[2].capitalize()}\n"
        yield f"{getdoc(module)}\n"
        for kind in kinds:
            yield from _kind(kind)


def _kind(kind: type[Event]) -> Iterator[str]:
    yield f"#### {kind.__name__}: `{kind.kind}`\n"
    yield f"{getdoc(kind)}\n"
    hints = get_type_hints(kind)
    own = [field.name for field in fields(kind) if field.name not in OF_EVERY_EVENT]
    if own:
        yield "| field | type |\n|---|---|"
        yield from (row((f"`{name}`", f"`{_type_text(hints[name])}`")) for name in own)
        yield ""


def _type_text(hint: Any) -> str:
    """A type as it is written, with the words of a Literal."""
    if get_origin(hint) is Literal:
        return ", ".join(repr(word) for word in get_args(hint))
    if isinstance(hint, type) and not get_args(hint):
        return hint.__name__
    return re.sub(r"\b[a-z_]+(?:\.[a-z_]+)*\.(?=[A-Z])", "", str(hint))
