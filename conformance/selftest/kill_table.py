"""The kill table: each planted fault with the requirements that fail with it, and the sound networks beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from conformance.selftest.trial import Trial

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
        f"{trial.verdict}{' (second trial)' if trial.again else ''}" + (f": {trial.broken[0]}" if trial.broken else ""),
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
