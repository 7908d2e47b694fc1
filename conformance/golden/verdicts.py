"""The verdicts that one recording gives, as a run would reach them; how two lists of them differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from conformance.judging.checks import checks
from conformance.judging.plan import Selection
from conformance.judging.session import Session
from conformance.recording.source import Missing
from conformance.recording.store import Recording
from conformance.verdict import Outcome, Verdict

ONCE: Final = "once"
"""Stands for the parameters of a requirement that is decided once."""
Values = tuple[tuple[str, str], ...]
"""Parameters by name, sorted; without the testbed, which a recording has only one of."""


class Decided(NamedTuple):
    """One requirement with one set of parameters."""

    requirement: str
    parameters: Values = ()


Verdicts = Mapping[Decided, Verdict]


@dataclass(frozen=True)
class _Only:
    """A source that has one recording."""

    recording: Recording

    def get(self, profile: str, testbed: str, scenario: str, attempt: int) -> Recording:
        """The recording, where it is of that scenario. Raises Missing."""
        if scenario != self.recording.record.scenario:
            raise Missing(f"there is no recording of {scenario} on {testbed}, attempt {attempt}, of {profile}")
        return self.recording


def outcomes(recording: Recording) -> list[Outcome]:
    """Every outcome that the checks of the recording's scenario owe, judged without a plain wire beside it."""
    record = recording.record
    testbed = record.testbed.name
    selection = Selection((record.profile,), (testbed,), links=frozenset({testbed} if record.testbed.links else ()))
    session = Session(selection, _Only(recording), None)
    return [
        session.outcome(instance)
        for check in checks()
        if check.scenario == record.scenario
        for instance in selection.instances(check)
    ]


def verdicts_of(outcomes: Iterable[Outcome]) -> dict[Decided, Verdict]:
    """The verdict of each outcome."""
    return {
        Decided(one.requirement, tuple(item for item in one.parameters if item[0] != "testbed")): one.verdict
        for one in outcomes
    }


def verdicts(recording: Recording) -> dict[Decided, Verdict]:
    """Every verdict that a recording gives."""
    return verdicts_of(outcomes(recording))


def differences(expected: Verdicts, given: Verdicts) -> list[str]:
    """What is given otherwise than expected: a line for each requirement and change, with the parameters it concerns.

    Parameters are written as in ``expected.toml``: ``route.same-host (family=ipv4 protocol=tcp,udp): pass -> fail``.
    """
    changed: dict[tuple[str, str, str], list[Values]] = {}
    for one in sorted({*expected, *given}):
        before, after = expected.get(one), given.get(one)
        if before is not after:
            key = (one.requirement, before or "no verdict", after or "no verdict")
            changed.setdefault(key, []).append(one.parameters)
    return [
        f"{requirement} ({'; '.join(products(values))}): {before} -> {after}"
        for (requirement, before, after), values in changed.items()
    ]


def products(values: Sequence[Values]) -> list[str]:
    """Sets of parameters in few words, none left out: each text is a product, ``family=ipv4,ipv6 protocol=tcp``."""
    return [
        " ".join(f"{name}={','.join(words)}" for name, words in product) or ONCE
        for product in _products(sorted(set(values)))
    ]


def sets_of(text: str) -> Iterator[Values]:
    """Every set of parameters that a product stands for. Raises ValueError where it is none."""
    sets: list[Values] = [()]
    for part in [] if text == ONCE else text.split(" "):
        name, sign, words = part.partition("=")
        if not (name and sign and words):
            raise ValueError(f"{text!r}: write NAME=VALUE,VALUE for each parameter, or {ONCE!r}")
        sets = [(*each, (name, word)) for each in sets for word in words.split(",")]
    yield from sets


def _products(values: Sequence[Values]) -> list[list[tuple[str, list[str]]]]:
    """Values of the first parameter that have the same rest go together, and so on inwards."""
    if not any(values):
        return [[]] if values else []
    rests: dict[tuple[str, str], list[Values]] = {}
    for first, *rest in filter(None, values):
        rests.setdefault(first, []).append(tuple(rest))
    alike: dict[tuple[str, tuple[Values, ...]], list[str]] = {}
    for (name, word), rest_values in rests.items():
        alike.setdefault((name, tuple(rest_values)), []).append(word)
    found: list[list[tuple[str, list[str]]]] = [] if all(values) else [[]]
    for (name, rest_set), words in alike.items():
        found += [[(name, words), *inner] for inner in _products(rest_set)]
    return found
