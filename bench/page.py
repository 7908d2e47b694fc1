"""The page of a large matrix: how long 30 implementations x 200 requirements take to write, to open and to scroll."""

from __future__ import annotations

import datetime
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from conformance.family import families
from conformance.report import store
from conformance.report.assemble import control_of, from_outcomes
from conformance.report.model import Header, Implementation, Report
from conformance.requirement import catalogue
from conformance.verdict import Attempt, Evidence, Judgement, Outcome, Verdict

IMPLEMENTATIONS = 30
REQUIREMENTS = 200
CASES = 8
RUNS = 5
LINE = (
    "{} {}:eth0 02:00:00:00:00:01 > 02:00:00:00:00:02 UDP {}:4000 > 203.0.113.200:7000 data 24 flow 3 ttl 64, 66 bytes"
)
MEASURE = """() => {
  const [entry] = performance.getEntriesByName("shown");
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return [entry.startTime, paint ? paint.startTime : -1];
}"""
SCROLL = """async () => {
  const scroller = document.getElementById("scroller"), frames = [];
  let last = performance.now();
  for (let step = 0; step < 120; step += 1) {
    scroller.scrollTop += 60;
    scroller.scrollLeft += 8;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
  }
  return frames;
}"""
OPEN = """async () => {
  const begin = performance.now();
  document.querySelector("td.f > a").click();
  await new Promise(requestAnimationFrame);
  return performance.now() - begin;
}"""


def reports(seed: int = 1) -> Iterator[Report]:
    """As many reports as wanted, with a fifth of the cells failing; each failure with its deciding frames."""
    chance = random.Random(seed)
    names = list(catalogue())[:REQUIREMENTS]
    names += [f"{list(families())[n % 20]}.further-{n:03}x" for n in range(REQUIREMENTS - len(names))]
    for number in range(IMPLEMENTATIONS):
        rate = chance.uniform(0, 0.4)
        yield _report(f"implementation-{number:02}", [o for name in names for o in _outcomes(name, rate, chance)])


def _outcomes(name: str, rate: float, chance: random.Random) -> Iterator[Outcome]:
    level = "MEASURE" if chance.random() < 0.1 else chance.choice(("MUST", "SUITE", "SHOULD"))
    failing = chance.random() < rate
    figures = (("entries per endpoint", chance.randint(1, 40)),) if level == "MEASURE" else ()
    for case in range(CASES):
        frame = chance.randint(1, 20_000)
        places = (("h1a", "10.1.0.2"), ("h1", "192.0.2.11"), ("client", "192.0.2.11"))
        lines = tuple(LINE.format(frame + step, place, source) for step, (place, source) in enumerate(places))
        evidence = Evidence("recordings/routed-reachability-1", tuple(range(frame, frame + 12)), lines, (0, 20, 40))
        bad = Judgement(
            Verdict.FAIL, "both ends see the same", f"udp h1a: rewritten to {frame}", (evidence,), (), figures
        )
        good = Judgement(Verdict.PASS, "both ends see the same", "so in 4 of 4 observations", (), (), figures)
        said = bad if failing and case < CASES // 2 else good
        parameters = (("family", "ipv4" if case % 2 else "ipv6"), ("protocol", ("tcp", "udp", "icmp", "ip")[case // 2]))
        yield Outcome(name, level, parameters, (Attempt(1, said),))


def _report(profile: str, outcomes: list[Outcome]) -> Report:
    header = Header(
        version="0.1.0",
        catalogue="0" * 64,
        profile=profile,
        title=f"The network {profile}",
        implementation=Implementation(product="thing", version="1.2.3"),
        kernel="6.18",
        testbeds=("routed",),
        scenarios=("reachability",),
        date=datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC),
        command=f"plugfest run {profile}",
    )
    return from_outcomes(header, outcomes, control=control_of([]))


def main() -> int:
    """Print the figures; opening and scrolling only where chromium is installed."""
    with tempfile.TemporaryDirectory() as name:
        folder, page = Path(name), Path(name) / "matrix.html"
        for report in reports():
            store.write(report, folder / "run" / report.header.profile)
        command = [sys.executable, "-m", "conformance", "matrix", str(folder / "run"), "--html", str(page)]
        bare, whole = _median(command[:-2]), _median(command)
        print(f"{IMPLEMENTATIONS} implementations x {REQUIREMENTS} requirements x {CASES} cases")
        print(f"plugfest matrix --html: {whole:.1f} s, {bare:.1f} s of it reading and printing; {whole / bare:.1f} x")
        print(f"size: {page.stat().st_size / 1e6:.1f} MB")
        _browse(page)
    return 0


def _median(command: list[str]) -> float:
    figures = []
    for _ in range(3):
        begin = time.perf_counter()
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        figures.append(time.perf_counter() - begin)
    return statistics.median(figures)


def _browse(page: Path) -> None:
    program = shutil.which("chromium")
    if program is None:
        print("opening: chromium is not installed")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        loads, paints = [], []
        for _ in range(RUNS):
            tab = browser.new_page(viewport={"width": 1500, "height": 950})
            tab.goto(page.as_uri())
            tab.wait_for_function("performance.getEntriesByName('shown').length")
            loaded, painted = tab.evaluate(MEASURE)
            loads.append(loaded)
            paints.append(painted)
        load, paint = statistics.median(loads), statistics.median(paints)
        print(
            f"opening: {load:.0f} ms until the matrix is drawn and can be used, first painted after {paint:.0f} ms"
            " (wanted under 1000 ms)"
        )
        print(f"a cell opens in {tab.evaluate(OPEN):.0f} ms")
        frames = sorted(tab.evaluate(SCROLL))
        middle, late = statistics.median(frames), frames[int(len(frames) * 0.95)]
        print(f"scrolling: {middle:.1f} ms a frame, 95 of 100 within {late:.1f} ms (60 a second are 16.7 ms)")
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
