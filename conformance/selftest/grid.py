"""Faults against requirements: which network fails what, family by family, as text, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from conformance.family import families
from conformance.requirement import catalogue
from conformance.selftest.trial import Trial

KILLED: Final = "✗"
"""It fails, and should."""
DESIGNED: Final = "="
"""It fails because of what the network is, with and without the fault."""
EXTRA: Final = "!"
"""It fails, and should not: a false alarm."""
MISSED: Final = "?"
"""It should fail, and does not."""
QUIET: Final = "·"
LEGEND: Final = f"{KILLED} fails as it should, {DESIGNED} by the network's design, {EXTRA} false alarm, {MISSED} missed"


def sign(trial: Trial, requirement: str) -> str:
    """What one network does to one requirement."""
    if requirement in trial.failed:
        if requirement not in trial.expected:
            return EXTRA
        return KILLED if trial.fault is not None and requirement in trial.fault.fails else DESIGNED
    return MISSED if requirement in trial.expected else QUIET


def name_of(trial: Trial) -> str:
    """The fault's name; of a sound network where it is."""
    return trial.fault.name if trial.fault is not None else f"sound {' on '.join(trial.place)}"


def text(done: Sequence[Trial], checked: Collection[str]) -> Iterator[str]:
    """A grid for each family: a line for each network that fails something of it, numbered columns of requirements."""
    for family, ids in _families(checked):
        rows = _rows(done, ids)
        if not rows:
            continue
        width = max(len(name_of(trial)) for trial in rows)
        yield ""
        yield f"{family:{width}} {''.join(f'{number:>3}' for number in range(1, len(ids) + 1))}"
        for trial in rows:
            yield f"{name_of(trial):{width}} {''.join(f'{sign(trial, name):>3}' for name in ids)}"
        yield from (f"  {number} {name}" for number, name in enumerate(ids, 1))
    yield from ("", LEGEND)


def markdown(done: Sequence[Trial], checked: Collection[str]) -> Iterator[str]:
    """The same as tables: a column for each requirement."""
    for family, ids in _families(checked):
        rows = _rows(done, ids)
        if not rows:
            continue
        yield from ("", f"## {family}", "")
        yield f"| fault | {' | '.join(name.partition('.')[2] for name in ids)} |"
        yield f"|---|{':-:|' * len(ids)}"
        for trial in rows:
            yield f"| {name_of(trial)} | {' | '.join(sign(trial, name) for name in ids)} |"
    yield from ("", LEGEND)


def as_data(done: Sequence[Trial], without: Sequence[str], unchecked: Sequence[str]) -> dict[str, Any]:
    """Everything as JSON values: each network with what it failed, and the rates."""
    faults = [trial for trial in done if trial.fault is not None]
    return {
        "schema": 1,
        "networks": [_network(trial) for trial in done],
        "faults": len(faults),
        "killed": sum(trial.verdict == "killed" for trial in faults),
        "false_alarms": sum(len(trial.extra) for trial in done),
        "checked_without_fault": list(without),
        "not_yet_checked": list(unchecked),
    }


def _network(trial: Trial) -> dict[str, Any]:
    return {
        "name": name_of(trial),
        "network": trial.place[0],
        "testbed": trial.place[1],
        "verdict": trial.verdict,
        "expected": sorted(trial.expected),
        "failed": dict(sorted(trial.failed.items())),
        "undecided": dict(sorted(trial.undecided.items())),
        "witness": trial.witness,
        "broken": list(trial.broken),
    }


def _families(checked: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    for family in families():
        ids = [name for name in catalogue() if name in checked and name.partition(".")[0] == family]
        if ids:
            yield family, ids


def _rows(done: Sequence[Trial], ids: Sequence[str]) -> list[Trial]:
    """The networks that do something to one of these requirements, most of all what they are named for."""
    return [trial for trial in done if any(sign(trial, name) != QUIET for name in ids)]
