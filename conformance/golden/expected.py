"""``expected.toml``: every verdict that a golden recording gives, and what it was made from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from conformance.errors import UsageError
from conformance.golden.verdicts import Decided, Values, Verdicts, products, sets_of
from conformance.validation import Strict, Text, checked, table
from conformance.verdict import SEVERITY, Verdict

NAME: Final = "expected.toml"
_HEAD: Final = "# Every verdict that this recording gives. `plugfest golden accept` writes it anew, after a review.\n"


class Expected(Strict):
    """What a golden recording is of, and every verdict that it gives.

    `of` says it in words; `scenario` and `fault` (empty: none) are names. `code` is the hash of the scenario's code
    when it was recorded, `requirements` are those of the requirements decided in it when its verdicts were accepted
    (`conformance.golden.age`). `verdicts` maps each verdict to requirements, and each requirement to products of
    parameters (`conformance.golden.verdicts.products`).
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    of: Text
    scenario: Text
    fault: str = ""
    code: Text
    requirements: Mapping[str, Text]
    verdicts: Mapping[Verdict, Mapping[str, tuple[str, ...]]] = {}

    @property
    def decided(self) -> dict[Decided, Verdict]:
        """Each verdict by requirement and parameters. Raises ValueError for parameters that are none."""
        return {
            Decided(requirement, values): verdict
            for verdict, listed in self.verdicts.items()
            for requirement, texts in listed.items()
            for text in texts
            for values in sets_of(text)
        }

    def having(self, verdict: Verdict) -> frozenset[str]:
        """The requirements that have this verdict for some parameters."""
        return frozenset(self.verdicts.get(verdict, ()))


def grouped(decided: Verdicts) -> dict[Verdict, dict[str, tuple[str, ...]]]:
    """Verdicts as `Expected.verdicts`: the most severe verdict first, requirements in the order of their ids."""
    values: dict[Verdict, dict[str, list[Values]]] = {verdict: {} for verdict in reversed(SEVERITY)}
    for one, verdict in sorted(decided.items()):
        values[verdict].setdefault(one.requirement, []).append(one.parameters)
    return {
        verdict: {requirement: tuple(products(sets)) for requirement, sets in listed.items()}
        for verdict, listed in values.items()
        if listed
    }


def read(folder: Path) -> Expected:
    """What is expected of the recording in `folder`. Raises UsageError: one line with the file, the key and the fix."""
    path = folder / NAME
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file; `plugfest golden accept {folder.name}` writes it")
    found = checked(Expected, table(path), f"{folder.name}/{NAME}")
    try:
        _ = found.decided
    except ValueError as problem:
        raise UsageError(f"{folder.name}/{NAME}: {problem}") from None
    return found


def text_of(expected: Expected) -> str:
    """The file, as TOML."""
    return _HEAD + "".join(f"{line}\n" for line in _lines(expected))


def _lines(expected: Expected) -> Iterator[str]:
    yield f"schema = {expected.schema_version}"
    for key in ("of", "scenario", "fault", "code"):
        if getattr(expected, key):
            yield f"{key} = {_quoted(getattr(expected, key))}"
    for verdict, listed in expected.verdicts.items():
        yield from ("", f"[verdicts.{verdict}]")
        for requirement, texts in listed.items():
            whole = f"{_quoted(requirement)} = [{', '.join(map(_quoted, texts))}]"
            if len(whole) <= 120:
                yield whole
            else:
                yield f"{_quoted(requirement)} = ["
                yield from (f"  {_quoted(text)}," for text in texts)
                yield "]"
    yield from (
        "",
        "[requirements]",
        *(f"{_quoted(name)} = {_quoted(each)}" for name, each in expected.requirements.items()),
    )


def _quoted(text: str) -> str:
    """A basic string of TOML, which JSON's strings are, too."""
    return json.dumps(text, ensure_ascii=False)
