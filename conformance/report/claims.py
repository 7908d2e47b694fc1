"""What a report says of the conformance classes: ``conforms to routable-endpoint-1, 31 of 31``, or which fail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from conformance.classes import ConformanceClass, classes
from conformance.report.model import ClassResult, Header, ReportedOutcome
from conformance.verdict import Verdict, worst


def evaluate(header: Header, outcomes: Sequence[ReportedOutcome]) -> tuple[ClassResult, ...]:
    """Every class that speaks of an implementation with these roles, in the order of their names.

    None of a run that was narrowed, or that did not cover the testbeds that a class asks for.
    """
    if header.only or header.unavailable is not None:
        return ()
    return tuple(
        _result(each, each.name in header.claims, outcomes)
        for each in classes().values()
        if set(each.roles) & set(header.roles) and set(each.testbeds) <= set(header.testbeds)
    )


def _result(each: ConformanceClass, claimed: bool, outcomes: Iterable[ReportedOutcome]) -> ClassResult:
    verdicts: dict[str, set[Verdict]] = {name: set() for name in each.requirements}
    for outcome in outcomes:
        if outcome.requirement in verdicts and each.counts(outcome.parameters):
            verdicts[outcome.requirement].add(outcome.verdict)
    unchecked = tuple(name for name, said in verdicts.items() if not said)
    judged = {name: _of(said) for name, said in verdicts.items() if said - {Verdict.NOT_APPLICABLE}}
    return ClassResult(
        name=each.name,
        claimed=claimed,
        met=sum(verdict is Verdict.PASS for verdict in judged.values()),
        total=len(judged),
        failing=tuple(name for name, verdict in judged.items() if verdict is Verdict.FAIL),
        undecided=tuple(name for name, verdict in judged.items() if verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR)),
        unsupported=tuple(name for name, verdict in judged.items() if verdict is Verdict.UNSUPPORTED),
        unchecked=unchecked,
    )


def _of(said: set[Verdict]) -> Verdict:
    """The verdict of one requirement within a class: unsupported in part is not met, since the class asks for all."""
    found = worst(said)
    return Verdict.UNSUPPORTED if found is Verdict.PASS and Verdict.UNSUPPORTED in said else found
