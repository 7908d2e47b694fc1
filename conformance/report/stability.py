"""How stable verdicts are over the attempts of a run: ``plugfest run --repeat N``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from conformance.report.columns import labels
from conformance.report.figures import spread
from conformance.report.model import Report, ReportedOutcome
from conformance.report.render.text import number_text, one_line, plural


def table(reports: Sequence[Report]) -> str:
    """For each implementation how many outcomes were the same in every attempt, then those that were not.

    Figures are told with median and spread. Ends in one line end.
    """
    return "\n".join(line for pair in zip(reports, labels(reports), strict=True) for line in _lines(*pair)) + "\n"


def _lines(report: Report, label: str) -> Iterator[str]:
    outcomes = report.outcomes
    flaky = [outcome for outcome in outcomes if outcome.flaky]
    runs = report.header.attempts
    stable = len(outcomes) - len(flaky)
    yield f"{label}: {stable} of {plural(len(outcomes), 'outcome')} the same in {plural(runs, 'attempt')}"
    for outcome in flaky:
        counts = Counter(attempt.verdict for attempt in outcome.attempts)
        said = ", ".join(f"{verdict} {count} of {runs}" for verdict, count in counts.most_common())
        yield f"  flaky  {_name(outcome)}: {said}"
    for outcome in outcomes:
        for name in sorted(outcome.figures):
            values = [attempt.figures[name] for attempt in outcome.attempts if name in attempt.figures]
            middle, width = number_text(median(values)), number_text(spread(values))
            yield f"  figure {_name(outcome)}: {one_line(name)} {middle}, spread {width}"


def _name(outcome: ReportedOutcome) -> str:
    parameters = " ".join(value for _, value in sorted(outcome.parameters.items()))
    return one_line(f"{outcome.requirement} {parameters}")
