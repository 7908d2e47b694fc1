"""TOML files as checked data: read, validated by a model, and refused in one line that names file, key and fix."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from conformance import files
from conformance.errors import UsageError

Model = TypeVar("Model", bound=BaseModel)

_FIXES: Final[Mapping[str, str]] = {
    "string_type": "write a text in quotes",
    "bool_type": "write true or false",
    "tuple_type": 'write a list, for instance ["a", "b"]',
    "missing": "this key is missing; add it",
}
"""What to do about an error of pydantic, by its type."""


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _filled(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("is empty; write it")
    return value


Text = Annotated[str, BeforeValidator(_filled)]
"""A text that says something."""


def known(word: str, words: Iterable[str]) -> str:
    """The word, where it is one of `words`. Raises ValueError with the nearest one."""
    there = list(words)
    if word in there:
        return word
    near = nearest(word, there)
    raise ValueError(
        f"{word!r:.80} is not known; " + (near or f"use some of {', '.join(there)}, or install what brings it")
    )


def once(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words, where each is there once. Raises ValueError."""
    if len(set(words)) != len(words):
        raise ValueError("an entry is there twice; name each once")
    return words


def nearest(word: str, words: Iterable[str]) -> str:
    """``did you mean 'that'?``, or nothing."""
    near = difflib.get_close_matches(word, list(words), 1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else ""


def table(file: Path | str, source: str = "") -> dict[str, Any]:
    """The content of a TOML file, or of its text. Raises UsageError; `source` is what it calls the file (its name)."""
    name = source or (file.name if isinstance(file, Path) else "the text")
    try:
        text = file if isinstance(file, str) else files.content(file, file.resolve().parent, files.SETTINGS).decode()
        return tomllib.loads(text)
    except FileNotFoundError:
        raise UsageError(f"{name}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise UsageError(f"{name}: not valid TOML: {problem}") from problem
    except (RecursionError, ValueError) as problem:
        raise UsageError(f"{name}: not valid TOML ({type(problem).__name__})") from None


def checked(model: type[Model], data: object, source: str) -> Model:
    """The data as a model. Raises UsageError for the first wrong key; `source` names where the data comes from."""
    try:
        return model.model_validate(data)
    except ValidationError as problem:
        raise UsageError(explain(problem, source, model)) from None


def explain(problem: ValidationError, source: str, model: type[BaseModel]) -> str:
    """The first error of a validation in one line: file, key, what is wrong and the nearest valid key.

    An unknown key comes before a missing one, which it may have been meant to be.
    """
    error = min(problem.errors(), key=lambda each: each["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in error["loc"])
    place = f"{source}: {key:.120}" if key else source
    if error["type"] == "extra_forbidden":
        names = _keys_at(model, error["loc"][:-1])
        near = nearest(str(error["loc"][-1]), names)
        return f"{place}: unknown key; " + (near or f"valid keys: {', '.join(sorted(names))}")
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}"
    if error["type"] in ("enum", "literal_error"):
        expected = str(error["ctx"]["expected"])
        words = ", ".join(re.findall(r"'([^']*)'", expected)) or expected
        return f"{place}: {error['input']!r:.80} is not known; use one of {words}"
    if error["type"] in _FIXES:
        return f"{place}: {_FIXES[error['type']]}"
    return f"{place}: {error['msg']} (got {error['input']!r:.80})"


def _keys_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys that are valid at a place: those of the table there, however deep it is."""
    for part in place:
        inner = [_models(field.annotation) for name, field in model.model_fields.items() if part in (name, field.alias)]
        model = next((found for models in inner for found in models), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _models(inner)]


def as_toml(data: Mapping[str, Any]) -> str:
    """These data as TOML, tables last; a key whose value is None, or an empty table or list, is left out."""
    return "\n".join(_toml_lines(data, ())) + "\n"


def _toml_lines(data: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    later: list[Iterator[str]] = []
    for key, value in data.items():
        place = (*path, key)
        if isinstance(value, Mapping):
            if value:
                later.append(chain(("", f"[{'.'.join(map(_toml_key, place))}]"), _toml_lines(value, place)))
        elif isinstance(value, list | tuple) and value and all(isinstance(each, Mapping) for each in value):
            head = f"[[{'.'.join(map(_toml_key, place))}]]"
            later += [chain(("", head), _toml_lines(each, place)) for each in value]
        elif value is not None and value not in ([], ()):
            yield f"{_toml_key(key)} = {_toml_value(value)}"
    yield from chain.from_iterable(later)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _toml_value(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_toml_key(key)} = {_toml_value(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value) if isinstance(value, bool | int | float) else str(value)
