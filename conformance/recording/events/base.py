"""What every kind of event has in common, and how an event becomes a row of the recording and is read from one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from conformance.errors import UsageError
from conformance.recording.model import EventRow, Record

if TYPE_CHECKING:
    from pydantic import TypeAdapter

OF_EVERY_EVENT: Final = frozenset({"time_ns", "where"})
"""The fields that are columns of the row; all others are its `detail`."""


class MalformedEventError(UsageError):
    """The detail of an event is not what its kind says. One line names the event, the field and what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened at a moment.

    `time_ns` is the moment, in ns since 1970 (the clock of the frames); `Context.event` stamps it. `where` is the host,
    endpoint, port, cable or group that it happened to. A kind is a frozen dataclass `class Carrier(Event,
    kind="carrier")`. Its fields are of types that JSON has: texts, numbers, truth values, tuples, mappings, and
    dataclasses of these. A reader passes over fields in `detail` that the class does not have.
    """

    kind: ClassVar[str] = ""

    time_ns: int = 0
    where: str = ""

    def __init_subclass__(cls, *, kind: str) -> None:
        cls.kind = kind


E = TypeVar("E", bound=Event)


def row_of(event: Event) -> EventRow:
    """The event as a row of the recording."""
    detail: dict[str, Any] = adapter(type(event)).dump_python(event, mode="json", exclude=set(OF_EVERY_EVENT))
    return EventRow(time_ns=event.time_ns, kind=event.kind, where=event.where, detail=detail)


def events_in(record: Record, kind: type[E], where: str | None = None) -> Iterator[E]:
    """Yield the events of a kind, of one place or of all (None), in the order in which they were written down. Raises
    MalformedEventError."""
    for row in record.events:
        if row.kind == kind.kind and where in (None, row.where):
            yield _event_of(row, kind)


def _event_of(row: EventRow, kind: type[E]) -> E:
    from pydantic import ValidationError

    try:
        return adapter(kind).validate_python({**row.detail, "time_ns": row.time_ns, "where": row.where})
    except ValidationError as problem:
        error = problem.errors()[0]
        field = ".".join(str(part) for part in error["loc"])
        place = f"the event {row.kind}{f' of {row.where}' if row.where else ''}"
        raise MalformedEventError(f"the recording is damaged: {place}: {field}: {error['msg'].lower()}") from None


_ADAPTERS: Final[dict[type[Event], TypeAdapter[Any]]] = {}


def adapter(kind: type[E]) -> TypeAdapter[E]:
    """What validates, writes and describes the events of a kind; made once."""
    from pydantic import TypeAdapter

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
