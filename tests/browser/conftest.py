"""The page in a real browser: Debian's Chromium, driven by Playwright, with the network switched off."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from conformance.report import store
from conformance.report.assemble import control_of, from_outcomes
from conformance.report.model import Absence, Header, Implementation, Report
from conformance.report.page import render_page
from conformance.verdict import Attempt, Evidence, Judgement, Outcome, Verdict

ROOT = Path(__file__).parents[2]
PATIENCE_MS = 30_000
"""For each step in the browser: generous, since the machine is shared."""
TRANSLATED = "nat.tcp-untranslated"
REACHED = "route.from-outside-v4"
BLACKOUT = "move.blackout"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("browser")


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
    """What the published reports do not show yet: figures, attempts, deviations, absence, hostile texts."""
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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is not installed: make test installs it, or apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page over the published reports, one of each profile."""
    reports = {report.header.profile: report for report in store.collect([ROOT / "reports"])}
    file = tmp_path_factory.mktemp("published") / "matrix.html"
    file.write_text(render_page(list(reports.values())), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page over three published reports: everything that may stand in somebody's way is on it."""
    reports = [store.read(path) for name in ("docker-overlay", "nat-bridge", "vxlan") for path in _newest(name)]
    file = tmp_path_factory.mktemp("small") / "matrix.html"
    file.write_text(render_page(reports), encoding="utf-8")
    return file.as_uri()


def _newest(profile: str) -> list[Path]:
    return sorted((ROOT / "reports" / profile).iterdir())[-1:]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page over the synthetic reports."""
    file = tmp_path_factory.mktemp("made") / "matrix.html"
    file.write_text(render_page(synthetic()), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab that cannot reach the network; a complaint on its console fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, offline=True)
    context.set_default_timeout(PATIENCE_MS)
    tab = context.new_page()
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    tab.on("console", hear)
    tab.on("pageerror", lambda problem: complaints.append(str(problem)))
    yield tab
    context.close()
    assert not complaints
