"""The report of one run of one implementation, as data; its JSON Schema is published by ``plugfest schema report``.

Outcomes are canonical: sorted, nothing in them of when, where or how long it was judged, so that judging the same
recordings again gives the same bytes. A report without a footer is partial.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, Field, FiniteFloat, model_validator

from conformance.family import position
from conformance.validation import Strict
from conformance.verdict import GATING_LEVELS, Verdict, worst

Level = Literal["MUST", "SHOULD", "MAY", "SUITE", "MEASURE"]
PROFILE: Final = r"^[a-z0-9][a-z0-9.@_-]*$"
"""The name of a profile, which is also that of its folder."""
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.@_+-]*$")]
"""The name of a requirement, family, testbed, scenario, role, feature or class."""
Figures = Mapping[str, int | FiniteFloat]
Counts = Mapping[Verdict, Annotated[int, Field(ge=0)]]


class Implementation(Strict):
    """What the implementation said of itself; `details` are further versions (kernel modules, plugins).

    `stated` tells that the version is the profile's word, since the product was not asked for it.
    """

    product: str
    version: str
    stated: bool = False
    details: Mapping[str, str] = {}


class Absence(Strict):
    """Why an implementation was not there to be judged, and the packages that provide it."""

    reason: str
    packages: tuple[str, ...] = ()


class FigureLimit(Strict):
    """A bound on a figure of a requirement, as the profile declares it."""

    requirement: str
    figure: str
    at_most: FiniteFloat | None = None
    at_least: FiniteFloat | None = None


class Repeated(Strict):
    """A recording that was made again, by its folder's name, and the reason each time."""

    recording: str
    reasons: Annotated[tuple[str, ...], Field(min_length=1)]


class Header(Strict):
    """What was judged, with what, where and when.

    Exactly one of `implementation` and `unavailable` is given. `roles` and `claims` (conformance classes) are the
    profile's. `pair` are the two implementations of a pair, left and right. `only` is what the run was narrowed to, if
    it was; `left_out` are testbeds that ship and were left out, `switched_off` features that the shipped profile of
    this kind claims and this one does not. `recorded` are
    its recordings with the seconds that each took, `repeated` those that were made again. `limits` bound figures.
    `profile_text` is the profile as it was used, in TOML.
    `catalogue` is the hash of the requirements. `date` is when it was recorded: the expiry of deviations is looked at
    on that day, whenever the report is read.
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    suite: str = "plugfest"
    version: str
    catalogue: str
    profile: Annotated[str, Field(pattern=PROFILE)]
    title: str
    roles: tuple[Word, ...] = ()
    claims: tuple[Word, ...] = ()
    pair: tuple[Word, ...] = ()
    implementation: Implementation | None = None
    unavailable: Absence | None = None
    kernel: str
    testbeds: tuple[Word, ...]
    scenarios: tuple[Word, ...]
    only: tuple[Word, ...] = ()
    date: AwareDatetime
    command: str
    variant: Literal["fast", "thorough"] = "fast"
    attempts: Annotated[int, Field(ge=1)] = 1
    left_out: tuple[Word, ...] = ()
    switched_off: tuple[Word, ...] = ()
    repeated: tuple[Repeated, ...] = ()
    recorded: Mapping[str, Annotated[FiniteFloat, Field(ge=0)]] = {}
    limits: tuple[FigureLimit, ...] = ()
    profile_text: str = ""

    @model_validator(mode="after")
    def _one_of_two(self) -> Header:
        if (self.implementation is None) is (self.unavailable is None):
            raise ValueError("give either implementation or unavailable")
        return self


class ReportedEvidence(Strict):
    """Frame numbers (from 1) in the pcapng of one recording, and the deciding ones decoded in one line each.

    `times` are those of the lines, in ns since the recording began.
    """

    recording: str
    frames: tuple[int, ...] = ()
    lines: tuple[str, ...] = ()
    times: tuple[int, ...] = ()


class ReportedJudgement(Strict):
    """What one judgement says."""

    verdict: Verdict
    expected: str = ""
    seen: str = ""
    notes: tuple[str, ...] = ()
    evidence: tuple[ReportedEvidence, ...] = ()
    figures: Annotated[Figures, Field(default={})]


class ReportedAttempt(ReportedJudgement):
    """The judgement of one attempt of a scenario."""

    number: Annotated[int, Field(ge=1)]


class KnownDeviation(Strict):
    """A known failure, as the profile declares it. Live up to and including the day `expires`."""

    reason: str
    issue: str
    owner: str
    expires: datetime.date


class ReportedOutcome(ReportedJudgement):
    """One requirement with its parameters: the judgement that decided, and those of all attempts.

    `gates` tells that it is a MUST or SUITE requirement that decides; whether a deviation excuses it is for the gate
    to say (conformance.report.gate), since that depends on the day of the run.
    """

    requirement: Word
    family: Word
    level: Level
    informational: bool = False
    parameters: Mapping[str, str] = {}
    flaky: bool = False
    gates: bool
    attempts: Annotated[tuple[ReportedAttempt, ...], Field(min_length=1)]
    deviation: KnownDeviation | None = None

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What identifies the outcome within its report."""
        return self.requirement, tuple(sorted(self.parameters.items()))

    @model_validator(mode="after")
    def _follows_from_attempts(self) -> ReportedOutcome:
        verdicts = {attempt.verdict for attempt in self.attempts}
        if self.verdict is not worst(verdicts) or self.flaky is not (len(verdicts) > 1):
            raise ValueError("verdict and flaky do not follow from the attempts")
        if self.gates is not (self.level in GATING_LEVELS and not self.informational):
            raise ValueError("gates does not follow from level and informational")
        if self.family != self.requirement.partition(".")[0]:
            raise ValueError("family is not that of the requirement")
        return self


class ControlProblem(Strict):
    """One outcome of the plain wire that was not sound."""

    requirement: Word
    level: Level
    parameters: Mapping[str, str]
    verdict: Verdict
    seen: str


class Control(Strict):
    """The plain wire, judged first: counts of its outcomes by verdict, and those that were not sound."""

    counts: Counts
    problems: tuple[ControlProblem, ...] = ()


class Answer(StrEnum):
    """What is said of one class."""

    CONFORMS = "conforms"
    FAILS = "fails"
    UNDECIDED = "undecided"
    NOT_CLAIMED = "not claimed"


class ClassResult(Strict):
    """One class: how many of the requirements that count are met, and the ids of those that are not.

    What no check decides yet (`unchecked`) and what says nothing about this implementation does not count. `claimed`
    tells that the profile names the class.
    """

    name: str
    claimed: bool
    met: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]
    failing: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def answer(self) -> Answer:
        """Nothing is claimed where the profile declares a part unsupported, or where most of it has no check yet,
        unless the profile claims the class by name.
        """
        judged = self.total > len(self.unchecked)
        if not self.claimed and (self.unsupported or not judged):
            return Answer.NOT_CLAIMED
        if self.failing or self.unsupported:
            return Answer.FAILS
        return Answer.CONFORMS if judged and not self.undecided else Answer.UNDECIDED

    @property
    def text(self) -> str:
        """One sentence."""
        open_ = f" ({len(self.unchecked)} not yet checked)" if self.unchecked else ""
        count = f"{self.met} of {self.total}{open_}"
        match self.answer:
            case Answer.CONFORMS:
                return f"conforms to {self.name}, {count}"
            case Answer.FAILS:
                names = ", ".join((*self.failing, *self.unsupported))
                rest = f"; {len(self.undecided)} undecided" if self.undecided else ""
                return f"does not conform to {self.name}, {count}: {names}{rest}"
            case Answer.UNDECIDED:
                return f"undecided of {self.name}, {count}: {', '.join(self.undecided) or 'too little was judged'}"
            case Answer.NOT_CLAIMED:
                return f"does not claim {self.name}"


class Footer(Strict):
    """The end of a complete report: counts of outcomes by verdict, what it says of the conformance classes, and the
    exit code of this report alone.
    """

    complete: Literal[True] = True
    counts: Counts
    classes: tuple[ClassResult, ...] = ()
    exit_code: Literal[0, 1, 3]


class Report(Strict):
    """All outcomes of one run of one implementation. `control` is None where no plain wire was judged."""

    header: Header
    outcomes: tuple[ReportedOutcome, ...] = ()
    control: Control | None = None
    footer: Footer | None = None

    @property
    def partial(self) -> bool:
        """Whether the run was cut short: outcomes may be missing."""
        return self.footer is None

    @model_validator(mode="after")
    def _whole(self) -> Report:
        keys = Counter(outcome.key for outcome in self.outcomes)
        twice = [key for key, count in keys.items() if count > 1]
        if twice:
            raise ValueError(f"two outcomes for {twice[0][0]} {dict(twice[0][1])}; there is one for each")
        if self.header.unavailable is not None and self.outcomes:
            raise ValueError("an implementation that was unavailable has no outcomes")
        if self.footer is not None and dict(self.footer.counts) != counted(o.verdict for o in self.outcomes):
            raise ValueError("the footer's counts are not those of the outcomes; some were lost or added")
        return self


def counted(verdicts: Iterable[Verdict]) -> dict[Verdict, int]:
    """How often each verdict is there; every verdict has an entry."""
    found = Counter(verdicts)
    return {verdict: found[verdict] for verdict in Verdict}


def order(outcome: ReportedOutcome) -> tuple[int, str, tuple[tuple[str, str], ...]]:
    """The key by which outcomes are sorted: order of families, requirement id, parameters."""
    return position(outcome.family), *outcome.key


def canonical_outcomes(report: Report) -> bytes:
    """The outcomes alone, as UTF-8 JSON: byte for byte the same however and whenever the recordings are judged."""
    rows = [outcome.model_dump(mode="json") for outcome in sorted(report.outcomes, key=order)]
    return as_json(rows).encode()


def as_json(data: Any) -> str:
    """The one form of JSON of all report files: sorted keys, an entry of a list to a line, a line end at the end.

    Outcomes are compared by the line, and the encoder in C does no other indentation.
    """
    if isinstance(data, list):
        return _lines(data) + "\n"
    parts = (
        f"{json.dumps(key)}: {_lines(data[key]) if isinstance(data[key], list) else _dumps(data[key], 1)}"
        for key in sorted(data)
    )
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(entries: list[Any]) -> str:
    return "[\n" + ",\n".join(map(_dumps, entries)) + "\n]" if entries else "[]"


def _dumps(data: Any, indent: int | None = None) -> str:
    return json.dumps(data, sort_keys=True, indent=indent, ensure_ascii=False, allow_nan=False)
