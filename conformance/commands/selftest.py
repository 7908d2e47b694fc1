"""``plugfest selftest``: the suite judged by itself, every planted fault against every check."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from conformance.errors import UsageError
from conformance.judging.checks import checks
from conformance.report.atomic import write_atomically
from conformance.report.model import as_json
from conformance.requirement import catalogue
from conformance.selftest import grid
from conformance.selftest.fault import Fault
from conformance.selftest.faults import faults
from conformance.selftest.kill_table import lines, summary
from conformance.selftest.trial import Trial, Trials, sound_networks, trials, undetectable


def judge_the_suite(names: Sequence[str], *, keep: Path | None, markdown: Path | None, json: Path | None) -> int:
    """Record and judge every fault, or those of these names, requirements or families, and the sound networks.

    0 when every fault is killed, nothing else fails and nothing is untested, else 1. Raises UsageError for a name that
    is nothing of these.
    """
    chosen = _chosen(names)
    without = [] if names else undetectable(chosen)
    done: list[Trial] = []
    with tempfile.TemporaryDirectory(prefix="plugfest-out-") as folder:
        place = keep or Path(folder)
        sound = sound_networks(chosen)
        with trials((*sound, *chosen), place, keep=keep is not None) as running:
            for line in lines(_judged(running, chosen, done), markdown=False):
                print(line, flush=True)  # noqa: T201 - what was asked for, as it comes in
    decided = {check.requirement.id for check in checks()}
    unchecked = [name for name in catalogue() if name not in decided]
    print("\n".join(grid.text(done, decided)))  # noqa: T201
    print(f"\n{summary(done, without)}")  # noqa: T201
    print(f"not yet checked, and part of no gate: {len(unchecked)} of {len(catalogue())} requirements")  # noqa: T201
    if markdown is not None:
        page = ["# The suite judged by itself", "", summary(done, without), *grid.markdown(done, decided), ""]
        write_atomically(markdown, "\n".join(page))
    if json is not None:
        write_atomically(json, as_json(grid.as_data(done, without, unchecked)))
    return int(bool(without) or any(trial.verdict not in ("killed", "sound") for trial in done))


def _judged(running: Trials, chosen: Sequence[Fault], done: list[Trial]) -> Iterator[Trial]:
    """The sound networks, then the faults, each as soon as it is judged."""
    for cell in sound_networks(chosen):
        done.append(running.of_sound(cell))
        yield done[-1]
    for fault in chosen:
        done.append(running.of_fault(fault))
        yield done[-1]


def _chosen(names: Sequence[str]) -> list[Fault]:
    """The faults of these names, and those that fail or note a requirement or a family of them; all without a name."""
    known = {word for fault in faults().values() for word in _words(fault)}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else "`plugfest explain REQUIREMENT` names its faults"
            raise UsageError(f"{name}: no planted fault, and no requirement or family that one fails; {hint}")
    return [fault for fault in faults().values() if not names or _words(fault) & set(names)]


def _words(fault: Fault) -> set[str]:
    told = fault.fails | fault.notes
    return {fault.name, *told, *(name.partition(".")[0] for name in told)}
