"""What differs between two sets of reports: regressed, fixed, no longer decided, flaky, figures beyond their noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from conformance.report.figures import Samples, compare, unmeasured
from conformance.report.gate import Code, excused
from conformance.report.model import Header, Level, Report, ReportedOutcome, order
from conformance.requirement import UnknownRequirement, find
from conformance.validation import Strict
from conformance.verdict import Verdict


class ChangeKind(StrEnum):
    """In what way one outcome is not what it was, in the order in which a reader wants to know."""

    REGRESSED = "regressed"
    NEWLY_FAILING = "newly failing"
    NEWLY_UNSUPPORTED = "newly unsupported"
    NEWLY_FLAKY = "newly flaky"
    WORSE = "figure worse"
    UNDECIDED = "no longer decided"
    INAPPLICABLE = "no longer applicable"
    GONE = "no longer judged"
    FIXED = "fixed"
    NEWLY_PASSING = "newly passing"
    BETTER = "figure better"


MEANING: Final[Mapping[ChangeKind, str]] = {
    ChangeKind.REGRESSED: "passed, now fails",
    ChangeKind.NEWLY_FAILING: "fails, and nothing was decided before",
    ChangeKind.NEWLY_UNSUPPORTED: "passed, now the profile declares it unsupported",
    ChangeKind.NEWLY_FLAKY: "its attempts differ now",
    ChangeKind.WORSE: "by more than its noise between runs",
    ChangeKind.UNDECIDED: "was decided, now inconclusive or an error of the suite",
    ChangeKind.INAPPLICABLE: "passed, now the requirement says nothing about the case",
    ChangeKind.GONE: "had an outcome, and the new run owes one and has none",
    ChangeKind.FIXED: "failed, now passes",
    ChangeKind.NEWLY_PASSING: "passes, and nothing was decided before",
    ChangeKind.BETTER: "by more than its noise between runs",
}
_CODES: Final[Mapping[ChangeKind, Code]] = {
    ChangeKind.REGRESSED: 1,
    ChangeKind.NEWLY_FAILING: 1,
    ChangeKind.NEWLY_UNSUPPORTED: 1,
    ChangeKind.NEWLY_FLAKY: 1,
    ChangeKind.UNDECIDED: 3,
    ChangeKind.INAPPLICABLE: 3,
    ChangeKind.GONE: 3,
}
_DECIDED: Final = frozenset({Verdict.PASS, Verdict.FAIL})


Key = tuple[str, tuple[tuple[str, str], ...]]
"""What identifies an outcome within its report."""


class Change(Strict):
    """One outcome, or one figure of it, that is not what it was.

    `old` and `new` are verdicts (None: no outcome), or with `figure` its values before and after. `gates` tells that it
    counts for the exit code: not where the requirement is informational or a live deviation excuses it.
    """

    kind: ChangeKind
    requirement: str
    level: Level
    parameters: Mapping[str, str]
    old: Verdict | None
    new: Verdict | None
    seen: str
    gates: bool
    flaky: bool
    figure: str = ""
    old_value: float | None = None
    new_value: float | None = None
    noise: float | None = None


class Comparison(Strict):
    """One implementation before and after; `circumstances` are what else differs: versions, catalogue, testbeds.

    `unmeasured` counts the figures whose noise between runs is unknown: of those nothing is said.
    """

    old: str
    new: str
    product: str
    circumstances: tuple[str, ...]
    catalogue_changed: bool
    whole: bool
    changes: tuple[Change, ...]
    unmeasured: Annotated[int, Field(ge=0)] = 0


class Difference(Strict):
    """Everything that differs; `only_old` and `only_new` are implementations that have no counterpart."""

    schema_version: Literal[1] = 1
    comparisons: tuple[Comparison, ...]
    only_old: tuple[str, ...] = ()
    only_new: tuple[str, ...] = ()


def difference(old: Sequence[Report], new: Sequence[Report], further: Sequence[Report] = ()) -> Difference:
    """Compare reports by the names of their profiles (``name@version`` is the same as ``name`` where that is clear).

    `further` are more runs of what is old: they only show how much its figures differ from run to run.
    """
    pairs, left, right = _paired(old, new)
    return Difference(
        comparisons=tuple(_compared(*pair, further) for pair in pairs),
        only_old=tuple(report.header.profile for report in left),
        only_new=tuple(report.header.profile for report in right),
    )


def exit_code(found: Difference, *, allow_flaky: bool = False, figures_gate: bool = False) -> Code:
    """1 where something became worse, 3 where that cannot be said (undecided, missing, cut short), else 0.

    What is flaky in the new reports counts, unless that is allowed. A figure counts only with `figures_gate`: whoever
    wants it gated without that gives it a limit in the profile.
    """
    known: dict[ChangeKind, Code] = {**_CODES}
    if figures_gate:
        known[ChangeKind.WORSE] = 1
    counted = [
        change
        for each in found.comparisons
        for change in each.changes
        if change.gates and not (change.flaky and allow_flaky)
    ]
    codes = {known.get(change.kind, 0) for change in counted}
    if 1 in codes:
        return 1
    whole = found.comparisons and not found.only_old and all(each.whole for each in found.comparisons)
    return 3 if 3 in codes or not whole else 0


def _paired(
    old: Sequence[Report], new: Sequence[Report]
) -> tuple[list[tuple[Report, Report]], list[Report], list[Report]]:
    pairs: list[tuple[Report, Report]] = []
    left, right = list(old), list(new)
    keys: tuple[Callable[[str], str], ...] = (str, lambda name: name.partition("@")[0])
    for key in keys:
        for name in dict.fromkeys(key(report.header.profile) for report in left):
            before = [report for report in left if key(report.header.profile) == name]
            after = [report for report in right if key(report.header.profile) == name]
            if len(before) == len(after) == 1:
                pairs.append((before[0], after[0]))
                left.remove(before[0])
                right.remove(after[0])
    if not pairs and len(left) == len(right) == 1:
        return [(left[0], right[0])], [], []
    return pairs, left, right


def _compared(old: Report, new: Report, further: Sequence[Report]) -> Comparison:
    name = old.header.profile.partition("@")[0]
    runs = [old, *(each for each in further if each.header.profile.partition("@")[0] == name)]
    before = {outcome.key: outcome for outcome in old.outcomes}
    samples = _samples_of(runs)
    unknown = sum(len(unmeasured(samples[each.key], _samples(each))) for each in new.outcomes if each.key in before)
    product = new.header.implementation or old.header.implementation
    return Comparison(
        old=old.header.profile,
        new=new.header.profile,
        product=product.product if product else "",
        circumstances=tuple(_circumstances(old.header, new.header)),
        catalogue_changed=old.header.catalogue != new.header.catalogue,
        whole=not new.partial and new.header.unavailable is None,
        changes=tuple(_changes(old, new, samples)),
        unmeasured=unknown,
    )


def _circumstances(old: Header, new: Header) -> Iterator[str]:
    before, after = old.implementation, new.implementation
    if before is not None and after is not None:
        versions = {"version": (before.version, after.version)}
        for name in sorted({*before.details, *after.details}):
            versions[name] = (before.details.get(name, "none"), after.details.get(name, "none"))
        yield from (f"{name}: {one} -> {other}" for name, (one, other) in versions.items() if one != other)
    elif after is None:
        yield f"the new implementation is unavailable: {new.unavailable.reason if new.unavailable else ''}"
    if old.catalogue != new.catalogue:
        yield f"catalogue: {old.catalogue[:12]} -> {new.catalogue[:12]}; judge the old recordings again"
    for name in ("version", "kernel", "variant", "attempts", "testbeds", "only"):
        one, other = getattr(old, name), getattr(new, name)
        if one != other:
            yield f"{'suite' if name == 'version' else name}: {_words(one)} -> {_words(other)}"


def _words(value: object) -> str:
    return (", ".join(map(str, value)) or "everything") if isinstance(value, tuple) else str(value)


def _changes(old: Report, new: Report, samples: Mapping[Key, Samples]) -> Iterator[Change]:
    before = {outcome.key: outcome for outcome in old.outcomes}
    after = {outcome.key: outcome for outcome in new.outcomes}
    for outcome in sorted(new.outcomes, key=order):
        yield from _changed(before.get(outcome.key), outcome, new, samples.get(outcome.key, {}))
    for outcome in sorted(old.outcomes, key=order):
        if outcome.key not in after and outcome.verdict in _DECIDED and _covers(new.header, outcome):
            yield _change(ChangeKind.GONE, outcome, outcome.verdict, None, not outcome.informational)


def _changed(old: ReportedOutcome | None, new: ReportedOutcome, report: Report, samples: Samples) -> Iterator[Change]:
    gates = not new.informational and not excused(new, report)
    was = old.verdict if old is not None else None
    kind = _kind(was, new.verdict)
    if kind is not None:
        yield _change(kind, new, was, new.verdict, gates)
    if new.flaky and old is not None and not old.flaky:
        yield _change(ChangeKind.NEWLY_FLAKY, new, was, new.verdict, gates)
    if old is not None:
        for shift in compare(samples, _samples(new)):
            change = _change(ChangeKind.WORSE if shift.worse else ChangeKind.BETTER, new, was, new.verdict, gates)
            values = {"old_value": shift.old, "new_value": shift.new, "noise": shift.noise}
            yield change.model_copy(update={"figure": shift.name, **values})


def _kind(old: Verdict | None, new: Verdict) -> ChangeKind | None:
    if old is new:
        return None
    match new:
        case Verdict.FAIL:
            return ChangeKind.REGRESSED if old is Verdict.PASS else ChangeKind.NEWLY_FAILING
        case Verdict.PASS:
            return ChangeKind.FIXED if old is Verdict.FAIL else ChangeKind.NEWLY_PASSING
        case Verdict.UNSUPPORTED:
            return ChangeKind.NEWLY_UNSUPPORTED if old is Verdict.PASS else None
        case Verdict.NOT_APPLICABLE:
            return ChangeKind.INAPPLICABLE if old is Verdict.PASS else None
        case _:
            return ChangeKind.UNDECIDED if old in _DECIDED else None


def _change(
    kind: ChangeKind, outcome: ReportedOutcome, old: Verdict | None, new: Verdict | None, gates: bool
) -> Change:
    return Change(
        kind=kind,
        requirement=outcome.requirement,
        level=outcome.level,
        parameters=outcome.parameters,
        old=old,
        new=new,
        seen=outcome.seen,
        gates=gates,
        flaky=outcome.flaky,
    )


def _covers(header: Header, outcome: ReportedOutcome) -> bool:
    """Whether a run with that header owes this outcome: of its testbeds, and of what it was narrowed to."""
    if outcome.parameters.get("testbed", next(iter(header.testbeds), "")) not in header.testbeds:
        return False
    try:
        names = {outcome.requirement, outcome.family, *find(outcome.requirement).alias}
    except UnknownRequirement:
        return False
    return not header.only or bool(names & set(header.only))


def _samples(outcome: ReportedOutcome) -> dict[str, list[float]]:
    """The values of each figure over the attempts."""
    found: dict[str, list[float]] = {}
    for attempt in outcome.attempts:
        for name, value in attempt.figures.items():
            found.setdefault(name, []).append(value)
    return found


def _samples_of(runs: Sequence[Report]) -> dict[Key, dict[str, list[float]]]:
    """The values of each figure of each outcome, over the attempts of all these runs."""
    found: dict[Key, dict[str, list[float]]] = {}
    for report in runs:
        for outcome in report.outcomes:
            known = found.setdefault(outcome.key, {})
            for name, values in _samples(outcome).items():
                known.setdefault(name, []).extend(values)
    return found
