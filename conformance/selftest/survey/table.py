"""A survey as text: the score, the share of allowances, and one line for each field with a survivor."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from conformance.selftest.survey.survey import Result, Survey


def summary(made: Survey) -> str:
    """The score in one line."""
    count = len(made.results)
    share = len(made.allowed) / count if count else 0.0
    return (
        f"{made.family}: {made.score('one'):.1%} of single alterations noticed, {made.score('every'):.1%} of those of "
        f"every frame of a kind; {count} alterations, {len(made.survivors)} survivors, "
        f"{len(made.allowed)} allowed by a clause ({share:.1%}); {len(made.recordings)} recordings, "
        f"{made.seconds:.0f} s"
    )


def lines(made: Survey, *, verbose: bool = False) -> Iterator[str]:
    """The survivors by field, what a clause allows, what a check broke on, and the summary.

    `verbose` adds a line for every survivor, and those fields of which every alteration was noticed.
    """
    for subject, fields in _grouped(made.results):
        listed = [one for one in fields if verbose or _survivors(one[1])]
        if listed:
            yield subject
        for name, results in listed:
            yield f"  {_row(name, results)}"
            if verbose:
                yield from (f"      {one.alteration.how}: {one.alteration.place}" for one in _survivors(results))
    yield from _allowed(made)
    yield from _refused(made)
    for requirement, said in sorted(made.broken.items()):
        yield f"error in the check of {requirement}: {said}"
    yield ""
    yield summary(made)


def _grouped(results: Sequence[Result]) -> Iterator[tuple[str, list[tuple[str, list[Result]]]]]:
    """By subject, by field, in the order of names; the fields with most survivors first."""
    found: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for one in results:
        found[one.alteration.subject][one.alteration.field].append(one)
    for subject in sorted(found):
        yield subject, sorted(found[subject].items(), key=lambda one: (-len(_survivors(one[1])), one[0]))


def _survivors(results: Sequence[Result]) -> list[Result]:
    return [one for one in results if one.noticed is None and one.allowed is None]


def _row(name: str, results: Sequence[Result]) -> str:
    """One field: how many of its alterations were noticed, of one frame and of every one, and which were not."""
    parts = []
    for extent in ("one", "every"):
        owed = [one for one in results if one.allowed is None and one.alteration.extent == extent]
        noticed = sum(one.noticed is not None for one in owed)
        parts.append(f"{extent} {noticed:>3}/{len(owed):<3}" if owed else " " * (len(extent) + 8))
    survived = Counter(one.alteration.how for one in _survivors(results))
    ways = ", ".join(f"{how} {count}" for how, count in sorted(survived.items()))
    return f"{name:<40} {' '.join(parts)} {'survived: ' if ways else ''}{ways}".rstrip()


def _allowed(made: Survey) -> Iterator[str]:
    """Each allowance that something survived by, with how many."""
    used = Counter(one.allowed for one in made.allowed if one.allowed is not None)
    for allowance, count in sorted(used.items(), key=lambda one: (one[0].subject, one[0].field)):
        yield f"allowed: {allowance.subject} {allowance.field} ({count}): {allowance.clause}, {allowance.reason}"


def _refused(made: Survey) -> Iterator[str]:
    """What a clause allows and a requirement failed all the same."""
    found = Counter(
        (one.alteration.subject, one.alteration.field, one.noticed.requirement)
        for one in made.refused
        if one.noticed is not None
    )
    for (subject, field, requirement), count in sorted(found.items()):
        yield f"allowed, and failed all the same: {subject} {field} ({count}) by {requirement}"
