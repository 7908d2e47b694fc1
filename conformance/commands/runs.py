"""What the commands do, each returning its exit code: 0 conforms, 1 fails, 3 inconclusive or ours, 130 interrupted."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from conformance.commands import interruption
from conformance.commands.differences import check_noise
from conformance.commands.matrix import as_markdown, print_brief, print_matrix, write_page
from conformance.errors import UsageError
from conformance.profile import CONTROL, available
from conformance.recording.store import find
from conformance.report import gate, store
from conformance.report.atomic import write_atomically
from conformance.report.difference import Difference, difference, exit_code
from conformance.report.grid import build
from conformance.report.model import Report
from conformance.report.render import job, junit
from conformance.report.render.difference import as_text
from conformance.report.render.progress import Progress
from conformance.running import memory
from conformance.running.driver import drive
from conformance.running.request import Request
from conformance.running.run import Run


@dataclass(frozen=True)
class Gate:
    """What ends a run with 1: `fail_on` is ``must``, ``should`` or ``regression``, by default a regression where there
    is a baseline, else must. The first of `baselines` is compared with; further ones show the noise of its figures,
    which count only with `figures_gate`. With `matrix_only` a complete matrix ends 0 whatever it says. `verbose` prints
    the whole matrix, and the whole plan.
    """

    fail_on: str | None = None
    baselines: tuple[Path, ...] = ()
    allow_flaky: bool = False
    figures_gate: bool = False
    matrix_only: bool = False
    verbose: bool = False

    def check(self) -> None:
        """Before anything is recorded: raises UsageError where its parts do not go together or cannot be read."""
        for wanted, option in (
            (self.fail_on == "regression", "--fail-on regression"),
            (self.figures_gate, "--figures-gate"),
        ):
            if wanted and not self.baselines:
                raise UsageError(f"{option}: name the earlier report with --baseline")
        known = [report for place in self.baselines for report in store.collect([place])]
        if self.figures_gate:
            check_noise(known)

    def code(self, reports: Sequence[Report], found: Difference | None) -> gate.Code:
        """The exit code of a run; `found` is what changed since the baseline, if there is one."""
        if self.matrix_only:
            return gate.matrix_code(reports)
        if self.on_changes and found is not None:
            return exit_code(found, allow_flaky=self.allow_flaky, figures_gate=self.figures_gate)
        return gate.exit_code(reports, self.policy)

    @property
    def on_changes(self) -> bool:
        """Whether only what became worse since the baseline ends the run."""
        return self.fail_on == "regression" or (self.fail_on is None and bool(self.baselines))

    @property
    def policy(self) -> gate.GatePolicy:
        """What ends a run by its own verdicts."""
        return replace(gate.SHOULD if self.fail_on == "should" else gate.MUST, allow_flaky=self.allow_flaky)

    def rules(self) -> junit.Rules:
        """What is red in JUnit: the same that ends the run."""
        known = junit.baseline(store.collect(self.baselines[:1])) if self.on_changes else None
        return junit.Rules(self.policy, known)

    def difference(self, reports: Sequence[Report]) -> Difference | None:
        """What changed since the first baseline, without it None."""
        if not self.baselines:
            return None
        further = store.collect(self.baselines[1:]) if self.baselines[1:] else []
        return difference(_like(store.collect(self.baselines[:1]), reports), reports, further)


def _like(baseline: Sequence[Report], reports: Sequence[Report]) -> list[Report]:
    """Those of the baseline that this run was asked for, if any is named alike: it may hold many more."""
    names = {report.header.profile.partition("@")[0] for report in reports}
    return [each for each in baseline if each.header.profile.partition("@")[0] in names] or list(baseline)


def run_profiles(request: Request, gate: Gate, *, everything: bool, plan: bool) -> int:
    """Record, judge and show the matrix; or only say what would be done."""
    gate.check()
    if everything:
        if request.profiles:
            raise UsageError("--all: name no profile with it")
        request = replace(request, profiles=tuple(name for name in available() if name != CONTROL))
    if plan:
        from conformance.commands.planning import lines

        for line in lines(Run(replace(request, plan=True)), whole=gate.verbose):
            print(line)  # noqa: T201 - what was asked for
        return 0
    out = request.out or Path(datetime.datetime.now(datetime.UTC).strftime("plugfest-%Y%m%d-%H%M%S"))
    request = replace(request, out=out)
    return _drive(request, [out], out, gate)


def judge_folders(folders: Sequence[Path], out: Path | None, *, verbose: bool = False) -> int:
    """Judge the recordings of each folder again; reports go to `out`, or beside the recordings."""
    code = 0
    for folder in folders:
        place = (out / folder.name if len(folders) > 1 else out) if out is not None else folder
        if not find(folder) and memory.missing_recordings(folder):
            lines = memory.told(folder, memory.missing_recordings(folder), {})
            print("\n".join(lines))  # noqa: T201 - there is nothing to judge
            code = max(code, 3, key=_rank)
            continue
        code = max(
            code, _drive(Request(recordings=folder, out=place), [place], place, Gate(verbose=verbose)), key=_rank
        )
    return code


def _drive(request: Request, folders: Sequence[Path], out: Path, wanted: Gate) -> int:
    with Progress() as progress:
        run = Run(request, progress)
        ended = drive(run)
    if run.refused is not None:
        raise run.refused
    if ended is pytest.ExitCode.INTERNAL_ERROR or ended is pytest.ExitCode.USAGE_ERROR:
        return 3
    if ended is pytest.ExitCode.NO_TESTS_COLLECTED:
        raise UsageError("--only: no check decides these requirements yet; `plugfest list requirements` says which")
    if ended is pytest.ExitCode.INTERRUPTED and not any(folder.glob(f"*/{store.NAME}") for folder in folders):
        return interruption.exit_code()
    files = store.located(folders)
    reports = [store.read(file) for file in files]
    if wanted.verbose:
        print_matrix(reports)
    write_atomically(out / "matrix.md", as_markdown(reports))
    write_page(list(zip(files, reports, strict=True)), out / "matrix.html")
    junit.write(reports, out / "junit.xml", wanted.rules())
    if any(report.header.attempts > 1 for report in reports):
        from conformance.report.stability import table

        print(f"\n{table(reports)}", end="")  # noqa: T201 - what was asked for
    print_brief(reports, out)
    if ended is pytest.ExitCode.INTERRUPTED:
        return interruption.exit_code()
    code = _gated(reports, wanted, out)
    return _print_missing(run) or code


def _print_missing(run: Run) -> int:
    """Print what the recordings that were judged again lack by their run's own plan; 3 where they lack any, else 0."""
    if run.request.recordings is None:
        return 0
    lines = memory.told(run.request.recordings, run.lacking, {})
    print("\n".join(("", *lines)) if lines else "", end="\n" * bool(lines))  # noqa: T201 - what was not judged
    return 3 if lines else 0


def _gated(reports: Sequence[Report], wanted: Gate, out: Path) -> int:
    """The exit code of a run; prints what changed, and writes the same for a CI job into `out`."""
    found = wanted.difference(reports)
    code = wanted.code(reports, found)
    if found is not None:
        print(f"\n{as_text(found, code)}", end="")  # noqa: T201 - what was asked for
    matrix = build(reports)
    write_atomically(out / "summary.md", job.summary(matrix, code, found))
    write_atomically(out / "gate.json", job.gate_json(reports, matrix, code, found))
    return code


def _rank(code: int) -> int:
    """The more severe of two exit codes: interrupted, fails, inconclusive, conforms."""
    return (0, 3, 1).index(code) if code in (0, 3, 1) else code
