"""The kill table: each planted fault against the requirements that fail with it, and the sound networks beside them.

``python -m conformance.selftest.kill_table [--markdown] [NAME ...]`` records and judges them all (or those named).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from conformance.errors import UsageError
from conformance.selftest.fault import Fault
from conformance.selftest.faults import FAULTS
from conformance.selftest.trial import Trial, Trials, sound_networks, trials, undetectable

HEADINGS = ("fault", "label", "planted in", "fails", "verdict", "missed", "extra", "witness")


def row(trial: Trial) -> tuple[str, ...]:
    """One network's line of the table, a cell for each of `HEADINGS`."""
    fault = trial.fault
    right = sorted(set(trial.failed) & (trial.expected if fault is None else fault.fails))
    notes = [] if fault is None else [f"{one} (note)" for one in sorted(fault.notes & trial.noted)]
    return (
        "none" if fault is None else fault.name,
        "" if fault is None else ", ".join(fault.labels),
        " on ".join(trial.place),
        ", ".join([*right, *notes]),
        f"{trial.verdict}: {trial.broken[0]}" if trial.broken else trial.verdict,
        ", ".join(trial.missed),
        ", ".join(f"{one} ({trial.failed[one]})" for one in trial.extra),
        trial.witness or "",
    )


def summary(done: Sequence[Trial], without: Sequence[str]) -> str:
    """What the table comes to: kill rate, false alarms, and requirements that nothing was planted for."""
    faults = [trial for trial in done if trial.fault is not None]
    killed = sum(trial.verdict == "killed" for trial in faults)
    rate = f"{100 * killed / len(faults):.0f} %" if faults else "none"
    alarms = sum(len(trial.extra) for trial in done)
    sound = len(done) - len(faults)
    return (
        f"{killed} of {len(faults)} faults killed ({rate}); {alarms} false alarms on {len(done)} networks, "
        f"{sound} of them sound; checked requirements without a fault: {', '.join(without) or 'none'}"
    )


def lines(done: Iterable[Trial], *, markdown: bool) -> Iterator[str]:
    """The table as text: a row of Markdown for each network, or a paragraph."""
    if markdown:
        yield f"| {' | '.join(HEADINGS)} |"
        yield f"|{'---|' * len(HEADINGS)}"
    for trial in done:
        cells = row(trial)
        if markdown:
            yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
        else:
            named = [f"{key}: {cell}" for key, cell in zip(HEADINGS[3:], cells[3:], strict=True) if cell]
            yield "\n    ".join([f"{cells[0]} in {cells[2]}", *named])


def _chosen(names: Sequence[str]) -> list[Fault]:
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        raise UsageError(f"there is no fault {', '.join(unknown)}; there are: {', '.join(FAULTS)}")
    return [FAULTS[name] for name in names] or list(FAULTS.values())


def table(names: Sequence[str], place: Path, *, markdown: bool, keep: bool) -> int:
    """Record below `place`, judge and print; 0 when every fault is killed, nothing else fails and nothing is untested.

    Raises UsageError for a name that is no fault's.
    """
    chosen = _chosen(names)
    sound = sound_networks(chosen)
    without = [] if names else undetectable(chosen)
    done: list[Trial] = []

    def judged(running: Trials) -> Iterator[Trial]:
        for cell in sound:
            done.append(running.of_sound(cell))
            yield done[-1]
        for fault in chosen:
            done.append(running.of_fault(fault))
            yield done[-1]

    with trials((*sound, *chosen), place, keep=keep) as running:
        for line in lines(judged(running), markdown=markdown):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    sys.stdout.write(f"\n{summary(done, without)}\n")
    return int(bool(without) or any(trial.verdict not in ("killed", "sound") for trial in done))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: its exit code is that of `table`, 2 for a name that is no fault's."""
    parser = argparse.ArgumentParser(prog="conformance.selftest.kill_table", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults; without one, all")
    parser.add_argument("--markdown", action="store_true", help="as a table in Markdown")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep the recordings in this folder")
    wish = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="plugfest-out-") as folder:
        try:
            return table(wish.names, wish.keep or Path(folder), markdown=wish.markdown, keep=wish.keep is not None)
        except UsageError as problem:
            parser.error(str(problem))


if __name__ == "__main__":
    sys.exit(main())
