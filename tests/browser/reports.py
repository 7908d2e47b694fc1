"""Reports to look at: the published ones, and synthetic ones with what those do not show."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from conformance.report import store
from conformance.report.assemble import control_of, from_outcomes
from conformance.report.model import Absence, Header, Implementation, Report
from conformance.verdict import Attempt, Evidence, Judgement, Outcome, Verdict

ROOT = Path(__file__).parents[2]
TRANSLATED = "nat.tcp-untranslated"
REACHED = "route.from-outside-v4"
BLACKOUT = "move.blackout"


@dataclass(frozen=True)
class Excuse:
    requirement: str = TRANSLATED
    reason: str = "masquerading is wanted <b>here</b>"
    issue: str = "https://example.org/1"
    owner: str = "network team"
    expires: datetime.date = datetime.date(2026, 12, 31)


def judged(name: str, *judgements: Judgement, level: str = "SUITE", **parameters: str) -> Outcome:
    attempts = tuple(Attempt(number, judgement) for number, judgement in enumerate(judgements, 1))
    return Outcome(name, level, tuple(sorted(parameters.items())), attempts)


def report(profile: str, *outcomes: Outcome, absent: Absence | None = None, excuses: tuple[Excuse, ...] = ()) -> Report:
    header = Header(
        version="0.1.0",
        catalogue="0" * 64,
        profile=profile,
        title=f"The {profile} network",
        implementation=None if absent else Implementation(product="thing", version="1.0", details={"module": "7"}),
        unavailable=absent,
        kernel="6.18",
        testbeds=("routed",),
        scenarios=("reachability",),
        date=datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC),
        command=f"plugfest run {profile} --out out",
    )
    wire = control_of([judged(REACHED, Judgement(Verdict.PASS))])
    return from_outcomes(header, outcomes, excuses, control=wire)


def synthetic() -> list[Report]:
    """Reports of what the published ones do not show yet: figures, attempts, deviations, absence, hostile texts."""
    near, far = "UDP 10.1.0.2:4000 > 203.0.113.200:7000", "UDP 192.0.2.11:4000 > 203.0.113.200:7000"
    lines = (
        f"11 h1a:eth0 02:00:00:00:00:01 > 02:00:00:00:00:02 {near} data 24 flow 3 ttl 64, 66 bytes",
        f"12 h1:eth0 00:00:5e:00:53:01 > 00:00:5e:00:53:e0 {far} data 24 flow 3 ttl 63, 66 bytes",
        f"13 client:eth0 00:00:5e:00:53:e2 > 00:00:5e:00:53:0c {far} data 24 flow 3 ttl 62, 66 bytes",
    )
    evidence = Evidence("recordings/routed-reachability-1", (11, 12, 13), lines, (5_000, 25_000, 45_000))
    rewritten = Judgement(Verdict.FAIL, "it is the same <script>alert(1)</script>", "192.0.2.11 </script>", (evidence,))
    good = Judgement(Verdict.PASS, "it is the same", "so in 4 of 4 observations")
    slow = Judgement(Verdict.PASS, seen="measured", figures=(("blackout in ms", 41.5),))
    fast = Judgement(Verdict.PASS, seen="measured", figures=(("blackout in ms", 3),))
    excused = (Excuse(),)
    return [
        report(
            "masq",
            judged(TRANSLATED, rewritten, family="ipv4"),
            judged(BLACKOUT, slow, level="MEASURE"),
            excuses=excused,
        ),
        report("plain", judged(TRANSLATED, good, family="ipv4"), judged(BLACKOUT, fast, level="MEASURE")),
        report("shaky", judged(TRANSLATED, good, rewritten, family="ipv4"), judged(REACHED, good, protocol="tcp")),
        report("absent", absent=Absence(reason="it is not installed", packages=("thing",))),
    ]


def published(*profiles: str) -> list[Report]:
    """One published report of each of these profiles, or of every one."""
    every = {report.header.profile: report for report in store.collect([ROOT / "reports"])}
    return [report for name, report in every.items() if not profiles or name in profiles]
