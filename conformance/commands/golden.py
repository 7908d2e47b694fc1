"""``plugfest golden``: recordings that are kept with every verdict that they give."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from conformance.errors import UsageError
from conformance.golden.store import Golden, accept, golden, goldens, keep
from conformance.golden.verdicts import Verdicts, differences, verdicts_of
from conformance.recording.source import Missing
from conformance.recording.store import Recording
from conformance.selftest.fault import Fault
from conformance.selftest.goldens import Wanted, chosen, judged, left_over, recorded, recordings_of, stored, trial
from conformance.verdict import SEVERITY, Verdict


def make(names: Sequence[str], source: Path | None) -> int:
    """Record, or take from the folder `source` of an earlier run, and keep with the verdicts that are given now.

    0 where each fault fails exactly what its entry names, else 1. Raises UsageError.
    """
    wanted = chosen(names)
    with tempfile.TemporaryDirectory(prefix="plugfest-golden-") as folder:
        found = recorded(wanted, Path(folder)) if source is None else stored(wanted, source)
        try:
            made = [_kept(one, recording) for one, recording in found]
        except Missing as reason:
            raise UsageError(str(reason)) from reason
    left_out = {one.name for one in wanted} - {one.name for one in made}
    if left_out:
        print(f"not in {source}: {', '.join(sorted(left_out))}")  # noqa: T201 - what was asked for
    faults = {one.fault.name: one.fault for one in made if one.fault is not None}
    wrong = [line for fault in faults.values() for line in _wrong(fault)]
    print("\n".join([*wrong, f"{len(made)} golden recordings, {_size(_goldens(made))}"]))  # noqa: T201
    return int(bool(wrong))


def list_all(names: Sequence[str], *, stale: bool) -> int:
    """Print each golden recording, or those of these names: size, what it is of, what it decides, what is stale.

    With `stale` only those are printed that are older than their scenario or their requirements, and 1 is returned
    where there is one.
    """
    found = [golden(name) for name in names] or list(goldens().values())
    old = {one.name: one.stale() for one in found}
    shown = [one for one in found if old[one.name] or not stale]
    for one in shown:
        print("\n".join(_lines(one, old[one.name], in_full=bool(names))))  # noqa: T201 - what was asked for
    print(f"{len(shown)} golden recordings, {_size(shown)}; {sum(map(bool, old.values()))} are stale")  # noqa: T201
    return int(stale and bool(shown))


def accept_all(names: Sequence[str]) -> int:
    """Judge golden recordings, print what they give otherwise than expected, and expect that from now on."""
    found = [golden(name) for name in names] or list(goldens().values())
    changed = 0
    for one in found:
        recording, given = one.load(), verdicts_of(judged(one).outcomes)
        lines = differences(one.expected.decided, given)
        if lines or one.stale():
            accept(one.folder, recording.record.scenario, given)
        if lines:
            changed += 1
            print("\n".join([one.name, *(f"    {line}" for line in lines)]))  # noqa: T201 - what was asked for
    print(f"{changed} of {len(found)} golden recordings give other verdicts; these are expected from now on")  # noqa: T201
    return 0


def _kept(wanted: Wanted, recording: Recording) -> Wanted:
    """Keep a recording; print its size, its verdicts, and what changed."""
    before = _expected(wanted)
    keep(recording, wanted.folder)
    fault = "" if wanted.fault is None else wanted.fault.name
    accept(wanted.folder, wanted.scenario, {}, of=wanted.of, fault=fault)
    made = Golden(wanted.name, wanted.folder)
    given = verdicts_of(judged(made).outcomes)
    accept(wanted.folder, wanted.scenario, given, of=wanted.of, fault=fault)
    changes = [] if before is None else differences(before, given)
    lines = [f"{wanted.name}: {_size([made])}, {_counts(given.values())}", *(f"    {line}" for line in changes)]
    print("\n".join(lines), flush=True)  # noqa: T201 - what was asked for, as it comes in
    return wanted


def _expected(wanted: Wanted) -> Verdicts | None:
    """What was expected of it so far; None where it is new."""
    try:
        return Golden(wanted.name, wanted.folder).expected.decided
    except UsageError:
        return None


def _wrong(fault: Fault) -> Iterator[str]:
    """What a fault's golden recordings show otherwise than its entry says; those that it needs no more are removed."""
    for one in left_over(fault):
        shutil.rmtree(one.folder)
        print(f"{one.name}: removed, the fault {fault.name} is not judged by it any more")  # noqa: T201
    try:
        found = trial(fault, [judged(one) for one in recordings_of(fault)])
    except UsageError as missing:
        yield f"{fault.name}: {missing}"
        return
    if found.verdict != "killed":
        missed, extra = ", ".join(found.missed) or "none", ", ".join(found.extra) or "none"
        broken = "".join(f"; {words}" for words in found.broken[:1])
        yield f"{fault.name}: {found.verdict}: missed {missed}; extra {extra}; witness {found.witness}{broken}"


def _lines(one: Golden, stale: Sequence[str], *, in_full: bool) -> Iterator[str]:
    said = one.expected
    yield f"{one.name}  {_size([one])}  {said.of}"
    yield f"    {_counts(said.decided.values())}"
    for verdict in reversed(SEVERITY):
        if said.having(verdict) and (in_full or verdict is Verdict.FAIL):
            yield f"    {verdict}: {', '.join(sorted(said.having(verdict)))}"
    yield from (f"    stale: {words}" for words in stale)


def _counts(verdicts: Iterable[Verdict]) -> str:
    counts = Counter(verdicts)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in reversed(SEVERITY) if counts[verdict])


def _goldens(made: Iterable[Wanted]) -> list[Golden]:
    return [Golden(one.name, one.folder) for one in made]


def _size(found: Sequence[Golden]) -> str:
    return f"{sum(one.size for one in found) / 1000:,.0f} kB"
