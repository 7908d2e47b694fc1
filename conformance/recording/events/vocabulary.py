"""All kinds of event that this suite has, by the area that they are about: what schema and documentation list."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from conformance.recording import events
from conformance.recording.events.base import OF_EVERY_EVENT, Event, adapter


def areas() -> Iterator[tuple[ModuleType, list[type[Event]]]]:
    """Yield each module of the vocabulary with the kinds that it declares, in the order of their declaration."""
    for found in pkgutil.iter_modules(events.__path__):
        module = importlib.import_module(f"{events.__name__}.{found.name}")
        kinds = [one for one in vars(module).values() if _declared(one, module)]
        if kinds:
            yield module, kinds


def _declared(one: object, module: ModuleType) -> bool:
    own = isinstance(one, type) and issubclass(one, Event) and one is not Event
    return own and getattr(one, "__module__", "") == module.__name__


def schema(reference: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What JSON Schema demands of the detail of each kind of event, and the definitions that this needs.

    `reference` says where definitions lie (``#/$defs/{model}``). Scenarios share a few words: the detail of an event
    with such a word is that of any of these kinds. Words that no kind has (those of other distributions) are free.
    """
    by_word: dict[str, list[dict[str, Any]]] = {}
    definitions: dict[str, Any] = {}
    for _, kinds in areas():
        for kind in kinds:
            made = adapter(kind).json_schema(ref_template=reference)
            definitions |= made.pop("$defs", {})
            for column in OF_EVERY_EVENT:
                del made["properties"][column]
            definitions[kind.__name__] = made
            by_word.setdefault(kind.kind, []).append({"$ref": reference.format(model=kind.__name__)})
    return [_rule(word, details, definitions) for word, details in sorted(by_word.items())], definitions


def _rule(word: str, details: list[dict[str, Any]], definitions: dict[str, Any]) -> dict[str, Any]:
    """A row with this word has a detail of one of these forms; it has one where every form needs a field."""
    forms = [definitions[one["$ref"].rpartition("/")[2]] for one in details]
    needed = ["detail"] if all(form.get("required") for form in forms) else []
    detail = details[0] if len(details) == 1 else {"anyOf": details}
    then = {"properties": {"detail": detail}, **({"required": needed} if needed else {})}
    return {"if": {"properties": {"kind": {"const": word}}}, "then": then}
