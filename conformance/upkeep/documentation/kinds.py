"""A page for each kind of implementation, from the models of its settings: every key, every placeholder, a profile."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from conformance import profile as profiles
from conformance.adapters.interface.registry import kinds
from conformance.places import PROFILES
from conformance.profile import CONTROL, Profile
from conformance.upkeep.documentation.place import DOCS, HEAD, row, text_of

FOLDER: Final = DOCS / "kinds"
OWN: Final = "conformance.adapters."
MODULES: Final = ("settings", "configuration")
"""Modules of an adapter in which its settings may be, besides its ``__init__``."""
EXAMPLES: Final = {
    "cni": "cni-bridge",
    "docker": "docker-bridge",
    "linux": "routed-64",
    "networkd": "networkd-mover",
    "openvswitch": "ovs-flows",
    "switch": "frr-switch",
}
"""The profile that a page shows, where it is not the first one of its kind."""


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the page of every kind of this suite that a profile is shipped for, and their index."""
    shipped: dict[str, list[Profile]] = {}
    for name in profiles.available():
        made = profiles.load(name)
        if name != CONTROL:
            shipped.setdefault(made.kind, []).append(made)
    yield FOLDER / "index.md", text_of(_index(shipped))
    for kind, there in shipped.items():
        yield FOLDER / f"{kind}.md", text_of(_page(kind, there))


def settings_model(kind: str) -> type[BaseModel]:
    """The model of the table ``[adapter]`` of a kind. Raises LookupError where it has none."""
    package = kinds()[kind]
    for place in (package, *(f"{package}.{name}" for name in MODULES)):
        try:
            model = getattr(importlib.import_module(place), "Settings", None)
        except ModuleNotFoundError:
            continue
        if isinstance(model, type) and issubclass(model, BaseModel):
            return model
    raise LookupError(f"{kind}: no module of {package} has a model `Settings`")


def example(kind: str, there: list[Profile]) -> str:
    """The name of the shipped profile that the page of a kind shows."""
    return EXAMPLES.get(kind, there[0].name)


def _index(shipped: Mapping[str, list[Profile]]) -> Iterator[str]:
    yield HEAD
    yield "# Kinds of implementation\n"
    yield "A profile names the `kind` that drives it. Each kind has a page with every key of `[adapter]` and a profile"
    yield "that works. `plugfest new profile NAME` writes a start, and `--plan` says what a run of it does.\n"
    yield row(["kind", "profiles that ship"])
    yield row(["---"] * 2)
    for kind, there in shipped.items():
        yield row([f"[{kind}]({kind}.md)", ", ".join(f"`{each.name}`" for each in there)])
    yield "\n## Keys of every profile\n"
    yield from _described(Profile)
    yield from _tables(Profile)


def _page(kind: str, there: list[Profile]) -> Iterator[str]:
    model, shown = settings_model(kind), example(kind, there)
    yield HEAD
    yield f"# Profiles of kind {kind}\n"
    yield f"{_first(importlib.import_module(kinds()[kind]).__doc__ or '')}\n"
    yield f"Profiles that ship: {', '.join(f'`{each.name}`' for each in there)}."
    yield "The keys of every profile are on [one page](index.md).\n"
    yield "## A profile that works\n"
    yield f"This is `{shown}`. Copy it under a name of your own (`name` is the file's name), change it, and run\n"
    yield "```sh\nplugfest run ./mine.toml --plan\nplugfest run ./mine.toml\n```\n"
    yield f"```toml\n{(PROFILES / f'{shown}.toml').read_text().rstrip()}\n```\n"
    yield "## Keys of `[adapter]`\n"
    yield from _described(model)
    if not model.model_fields:
        yield "There are none: leave the table out."
        return
    yield from _tables(model)
    yield from _placeholders(kind)


def _described(model: type[BaseModel]) -> Iterator[str]:
    """The model's own words: its docstring, from the second sentence on where the first only names it."""
    text = inspect.cleandoc(model.__doc__ or "").replace("``", "`")
    yield f"{text}\n"


def _tables(model: type[BaseModel]) -> Iterator[str]:
    """A table of the keys, and one of each table inside."""
    schema = model.model_json_schema(by_alias=True)
    yield from _table(schema, schema.get("$defs", {}))
    for name, inner in schema.get("$defs", {}).items():
        if "properties" in inner:
            yield f"\n### {name}\n"
            if inner.get("description"):
                yield f"{inspect.cleandoc(inner['description']).replace('``', '`')}\n"
            yield from _table(inner, schema["$defs"])


def _table(schema: Mapping[str, Any], inside: Mapping[str, Any]) -> Iterator[str]:
    yield row(["key", "value", "default"])
    yield row(["---"] * 3)
    needed = schema.get("required", ())
    for key, value in schema["properties"].items():
        default = "**needed**" if key in needed else f"`{_toml(value.get('default'))}`"
        yield row([f"`{key}`", _value(value, inside), default])


def _value(schema: Mapping[str, Any], inside: Mapping[str, Any]) -> str:
    """The kind of value of a key in a few words, with what bounds it."""
    choices = [each for each in schema.get("anyOf", schema.get("oneOf", ())) if each != {"type": "null"}]
    if choices:
        return " or ".join(dict.fromkeys(_value(each, inside) for each in choices))
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        known = inside[name]
        return f"table [{name}](#{name.lower()})" if "properties" in known else _value(known, inside)
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{_toml(each)}`" for each in schema.get("enum", [schema.get("const")]))
    return _plain(schema, inside)


def _plain(schema: Mapping[str, Any], inside: Mapping[str, Any]) -> str:
    """The same of a list, a table, a text or a number."""
    kind = schema.get("type", "")
    further = schema.get("additionalProperties")
    if kind == "array":
        return f"list of {_value(schema.get('items', {}), inside)}"
    if kind == "object":
        return f"table of {_value(further, inside)}" if isinstance(further, dict) and further else "table"
    names = {"string": "text", "integer": "number", "number": "number", "boolean": "`true`, `false`"}
    return f"{names.get(kind, 'value')}{_bounds(schema)}"


def _bounds(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", from {low}"
    if "format" in schema:
        return f" ({schema['format']})"
    return f" (`{schema['pattern']}`)" if "pattern" in schema else ""


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _placeholders(kind: str) -> Iterator[str]:
    """The placeholders that texts of a kind may hold, if it has any."""
    try:
        module = importlib.import_module(f"{kinds()[kind]}.placeholders")
    except ModuleNotFoundError:
        return
    yield "\n## Placeholders\n"
    yield f"{inspect.cleandoc(module.__doc__ or '').replace('``', '`')}\n"
    yield row(["placeholder", "stands for"])
    yield row(["---"] * 2)
    for name, meaning in sorted(module.MEANING.items()):
        yield row([f"`{{{name}}}`", meaning])


def _first(text: str) -> str:
    """The first paragraph of a docstring, in one line of Markdown."""
    return re.sub(r"\s+", " ", inspect.cleandoc(text).partition("\n\n")[0]).replace("``", "`")
