"""The matrix: cells, columns, findings in few words, and how they look."""

from __future__ import annotations

import datetime
import io
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from rich.console import Console

from conformance.report import grid
from conformance.report.assemble import control_of, from_outcomes
from conformance.report.findings import Kind
from conformance.report.model import Absence, Header, Implementation, Report
from conformance.report.render.matrix import Matrix, build, render_markdown, render_terminal
from conformance.requirement import ClauseCheck, Level, Requirement, catalogue
from conformance.verdict import Attempt, Evidence, Judgement, Outcome, Verdict

GOLDEN = Path(__file__).parent / "golden" / "matrix.md"
HASH = "0123456789ab" + "0" * 52
DAY = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC)
REACHED = "route.from-outside-v4"
TRANSLATED = "nat.tcp-untranslated"
SOURCE_KEPT = "source and destination are the same at both ends"


@dataclass(frozen=True)
class Excuse:
    requirement: str = TRANSLATED
    reason: str = "masquerading is wanted"
    issue: str = "https://example.org/1"
    owner: str = "network team"
    expires: datetime.date = datetime.date(2026, 11, 21)


def requirement(name: str, level: Level, source: str, **changes: Any) -> Requirement:
    given: dict[str, Any] = {
        "clause_check": ClauseCheck.VERIFIED,
        "statement": "It holds.",
        "stimulus": "Send.",
        "expects": "It arrives.",
        "roles": ("workload-network",),
        "features": (),
        "timer": "-",
    }
    return Requirement(id=name, level=level, source=source, **(given | changes))


SMALL = MappingProxyType(
    {
        row.id: row
        for row in (
            requirement(REACHED, Level.SUITE, "this suite"),
            requirement("route.reply-source", Level.SHOULD, "RFC 1122 §4.1.3.5", clause_check=ClauseCheck.MEMORY),
            requirement("route.hairpin", Level.SUITE, "this suite"),
            requirement(TRANSLATED, Level.SUITE, "RFC 2993 §6"),
            requirement("nat.no-state", Level.SUITE, "this suite", informational=True),
            requirement("nat.idle-flow", Level.MUST, "RFC 5382 §5 REQ-5", nightly=True),
            requirement("growth.linear", Level.MEASURE, "this suite"),
            requirement("lldp.ttl", Level.MUST, "IEEE 802.1AB-2016 §8.5.4"),
        )
    }
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "catalogue", lambda: SMALL)
    monkeypatch.setattr(grid, "catalogue_hash", lambda: HASH)


def judged(name: str, *judgements: Judgement, **parameters: str) -> Outcome:
    row = SMALL.get(name)
    attempts = tuple(Attempt(number, judgement) for number, judgement in enumerate(judgements, 1))
    level, informational = (row.level.value, row.informational) if row else ("MUST", False)
    return Outcome(name, level, tuple(sorted(parameters.items())), attempts, informational=informational)


PASS = Judgement(Verdict.PASS, "it holds", "so in 4 of 4 observations")


def report(*outcomes: Outcome, profile: str = "plain", version: str = "1.0", **changes: Any) -> Report:
    absent = changes.pop("unavailable", None)
    header = Header(
        version="0.1.0",
        catalogue=changes.pop("catalogue", HASH),
        profile=profile,
        title=f"The {profile} network",
        implementation=None if absent else Implementation(product="thing", version=version),
        unavailable=absent,
        kernel="6.18",
        testbeds=("routed", "same-subnet"),
        scenarios=("reachability",),
        date=changes.pop("date", DAY),
        command="plugfest run",
    )
    return from_outcomes(header, outcomes, control=control_of([judged(REACHED, PASS)]), **changes)


def rewritten(number: int, testbed: str) -> Judgement:
    seen = f"tcp h1a 10.1.0.{number}:40000 -> client 203.0.113.200:7000: the far end saw 192.0.2.11:40{number} (4 of 4)"
    return Judgement(Verdict.FAIL, SOURCE_KEPT, seen, (Evidence(f"{testbed}-reachability-1", (7, 8, 9, 12)),))


def synthetic() -> list[Report]:
    """Everything that a matrix can show, on five implementations."""
    beds = ("routed", "same-subnet")
    lost = Judgement(Verdict.INCONCLUSIVE, seen="none of 4 flows arrived, so nothing can be said of them")
    silent = Judgement(Verdict.FAIL, "every endpoint answers", "timeout | after 3 tries")
    note = Judgement(Verdict.PASS, "it holds", "so in 2 of 2 observations", notes=("fast variant of the idle time",))
    claims = Judgement(Verdict.UNSUPPORTED, seen="the profile does not claim ipv6")
    paths = {"inbound": lambda n, bed: lost, "outbound": rewritten}
    figures = [(("entries per endpoint", value),) for value in (2, 3.14159)]
    nat = report(
        *(judged(REACHED, silent, protocol=each, testbed=bed) for each in ("icmp", "tcp") for bed in beds),
        *(
            judged(TRANSLATED, says(number, bed), family="ipv4", path=path, testbed=bed)
            for path, says in paths.items()
            for number, bed in enumerate(beds, 10)
        ),
        *(judged(TRANSLATED, claims, family="ipv6", path=path, testbed=bed) for path in paths for bed in beds),
        judged("nat.no-state", Judgement(Verdict.FAIL, "no translation", "h1: 3 translated connections")),
        judged("nat.idle-flow", note),
        judged("route.reply-source", silent),
        profile="nat-bridge",
    )
    good = report(
        *(judged(REACHED, PASS, protocol=each, testbed=bed) for each in ("icmp", "tcp") for bed in beds),
        judged(TRANSLATED, PASS, family="ipv4", path="inbound", testbed="routed"),
        judged("nat.idle-flow", note),
        *(
            judged("growth.linear", Judgement(Verdict.PASS, figures=figure), testbed=bed)
            for bed, figure in zip(beds, figures, strict=True)
        ),
        profile="routed-64",
    )
    known = report(
        judged(TRANSLATED, rewritten(10, "routed"), family="ipv4", path="outbound", testbed="routed"),
        judged(REACHED, PASS, silent, protocol="tcp", testbed="routed"),
        judged("nat.no-state", Judgement(Verdict.ERROR, seen="KeyError: 'rules'")),
        profile="cni-masq",
        deviations=[Excuse()],
    )
    cut = report(judged(REACHED, PASS, protocol="tcp", testbed="routed"), profile="overlay", complete=False)
    gone = report(profile="docker", unavailable=Absence(reason="dockerd is not installed", packages=("docker.io",)))
    return [nat, good, known, cut, gone]


def shown(matrix: Matrix, width: int = 120, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="") as stream:
        render_terminal(matrix, Console(file=stream, width=width))
        stream.flush()
        return raw.getvalue().decode(encoding)


def cell_text(text: str, name: str) -> list[str]:
    """The cells of a row of the Markdown."""
    row = next(line for line in text.splitlines() if line.startswith(f"| {name} "))
    return [cell.strip() for cell in row.split("|")[3:-1]]


# Columns and cells


@pytest.mark.usefixtures("small")
def test_markdown_is_as_it_was() -> None:
    assert render_markdown(build(synthetic())) == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.usefixtures("small")
def test_a_cell_is_the_worst_of_its_parameters_and_tells_how_many() -> None:
    fail = Judgement(Verdict.FAIL, "a", "b")
    none = Judgement(Verdict.UNSUPPORTED, seen="not claimed")
    other = Judgement(Verdict.NOT_APPLICABLE, seen="no ports")
    made = report(
        judged(REACHED, PASS, path="a"),
        judged(REACHED, fail, path="b"),
        judged(REACHED, other, path="c"),
        judged(TRANSLATED, PASS, path="a"),
        judged(TRANSLATED, none, path="b"),
        judged("route.hairpin", none, path="a"),
        judged("route.hairpin", other, path="b"),
    )
    text = render_markdown(build([made]))
    assert cell_text(text, REACHED) == ["**✗ 1/2**"]
    assert cell_text(text, TRANSLATED) == ["✓ –"]
    assert "Not judged anywhere here: route.hairpin." in text


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("width", [80, 200])
def test_what_is_not_whole_cannot_look_like_a_pass(width: int) -> None:
    whole = report(judged(REACHED, PASS), judged(TRANSLATED, PASS), profile="whole")
    cut = report(judged(REACHED, PASS), profile="cut", complete=False)
    gone = report(profile="gone", unavailable=Absence(reason="not installed", packages=("docker.io",)))
    matrix = build([whole, cut, gone])
    text = render_markdown(matrix)
    assert cell_text(text, REACHED) == ["✓", "✓…"], "what was not there has no verdict, and no column"
    assert cell_text(text, TRANSLATED) == ["✓", "…"]
    for page in (text, shown(matrix, width)):
        assert "inconclusive (partial)" in page
        assert "inconclusive (unavailable)" in page
        assert "unavailable: not installed" in page
        assert "docker.io" in page
        assert page.count("conforms") == 1


@pytest.mark.usefixtures("small")
def test_one_profile_twice_is_told_apart() -> None:
    def names(*reports: Report) -> list[str]:
        return [column.label for column in build(reports).columns]

    ok = judged(REACHED, PASS)
    later = DAY + datetime.timedelta(days=1)
    assert names(report(ok, version="1"), report(ok, version="2")) == ["plain@1", "plain@2"]
    assert names(report(ok), report(ok, date=later)) == ["plain@1.0@2026-11-21", "plain@1.0@2026-11-22"]
    assert names(report(ok), report(ok)) == ["plain@1.0@2026-11-21#1", "plain@1.0@2026-11-21#2"]
    assert names(report(ok), report(ok, profile="other")) == ["plain", "other"]


@pytest.mark.usefixtures("small")
def test_deviations_are_shown_live_expired_and_unneeded() -> None:
    fail = judged(TRANSLATED, rewritten(10, "routed"))
    past = Excuse(expires=DAY.date() - datetime.timedelta(1))
    matrix = build(
        [
            report(fail, profile="live", deviations=[Excuse()]),
            report(fail, profile="expired", deviations=[past]),
            report(judged(TRANSLATED, PASS), profile="unneeded", deviations=[Excuse()]),
        ]
    )
    text = render_markdown(matrix)
    assert cell_text(text, TRANSLATED) == ["**✗ D**", "**✗ X**", "✓ U"]
    assert [f.label for f in matrix.of_kind(Kind.DEVIATION)[TRANSLATED]] == ["live"]
    assert [f.label for f in matrix.of_kind(Kind.FAILURE)[TRANSLATED]] == ["expired"]
    assert "masquerading is wanted (network team, until 2026-11-21, https://example.org/1)" in text
    assert "deviation expired 2026-11-20" in text
    stale = text.partition("## Deviations that nothing needs any more")[2]
    assert "masquerading is wanted" in stale
    assert "[unneeded]" in stale.replace("\\", "")


@pytest.mark.usefixtures("small")
def test_what_the_families_have_not_checked_is_counted() -> None:
    matrix = build([report(judged(REACHED, PASS), judged("route.hairpin", PASS))])
    assert matrix.unchecked == ("route.reply-source",)
    assert "1 requirement of these families without an outcome here: route.reply-source" in shown(matrix)


@pytest.mark.usefixtures("small")
def test_reports_of_other_catalogues_say_so() -> None:
    ok = judged(REACHED, PASS)
    assert "with another catalogue" in render_markdown(build([report(ok, catalogue="f" * 64)]))
    assert "different catalogues" in render_markdown(build([report(ok), report(ok, catalogue="f" * 64)]))
    assert "catalogues" not in render_markdown(build([report(ok)]))


@pytest.mark.usefixtures("small")
def test_requirements_that_the_catalogue_does_not_have_are_shown() -> None:
    text = render_markdown(build([report(judged("zz.new", Judgement(Verdict.FAIL, "a", "b")))]))
    assert "**zz.new** MUST — not in this suite's catalogue" in text


# Findings


@pytest.mark.usefixtures("small")
def test_cases_that_say_the_same_are_one_finding() -> None:
    matrix = build(synthetic())
    found = matrix.of_kind(Kind.FAILURE)[TRANSLATED]
    assert [(f.label, f.where, f.cases, f.recordings, f.frames) for f in found] == [
        ("nat-bridge", "ipv4, outbound", 2, 2, (7, 8, 9, 12))
    ]
    assert found[0].place == "nat-bridge/routed-reachability-1/frames.pcapng"
    assert [f.where for f in matrix.of_kind(Kind.INCONCLUSIVE)[TRANSLATED]] == ["ipv4, inbound"]
    assert set(matrix.of_kind(Kind.WEAK)) == {"route.reply-source", "nat.no-state"}
    assert set(matrix.of_kind(Kind.ERROR)) == {"nat.no-state"}


# On the terminal


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("width", [80, 100, 132, 200])
def test_nothing_is_wider_than_the_terminal_and_every_column_is_there(width: int) -> None:
    reports = [
        report(
            judged(REACHED, PASS), judged("nat.idle-flow", PASS), profile=f"implementation-{each}", version=f"{each}.0"
        )
        for each in range(30)
    ]
    assert max(map(len, shown(build(synthetic()), width).splitlines())) <= width
    page = shown(build(reports), width)
    assert max(map(len, page.splitlines())) <= width
    for each in range(30):
        assert f"implementation-{each}" in page
    heads = "".join("".join(line.split()) for line in page.splitlines() if "mentation" in line)
    assert heads.count("mentation-") >= 30


@pytest.mark.usefixtures("small")
def test_failures_come_before_everything_else_below_the_table() -> None:
    page = shown(build(synthetic()))
    titles = ["requirement ", "Failures (", "Failures that do not gate", "Errors of", "Inconclusive (", "Summary"]
    places = [page.index(title) for title in titles]
    assert places == sorted(places)


@pytest.mark.usefixtures("small")
def test_an_ascii_terminal_is_served() -> None:
    page = shown(build(synthetic()), encoding="ascii")
    assert "F 2/4 -" in page
    assert "✓" not in page


@pytest.mark.usefixtures("small")
def test_nothing_seen_can_command_the_terminal_or_the_table() -> None:
    seen = "\x1b[2J[red]x[/red] a\nb | c <b> \u202e"
    matrix = build([report(judged(REACHED, Judgement(Verdict.FAIL, "e\x07", seen)))])
    page, text = shown(matrix), render_markdown(matrix)
    assert r"\x1b[2J[red]x[/red] a b | c <b> \u202e" in page
    assert "\x1b" not in text
    assert "\\[red\\]x\\[/red\\] a b \\| c \\<b> \\\\u202e" in text


@pytest.mark.usefixtures("small")
def test_no_reports_make_an_empty_matrix() -> None:
    assert "Interoperability matrix" in shown(build([]))
    assert render_markdown(build([])).startswith("# Interoperability matrix")


def test_a_large_matrix_is_shown() -> None:
    ids = [f"{family}.what-holds-{chr(97 + each)}" for family in ("route", "nat", "mtu", "nd") for each in range(26)]
    ids = [*catalogue(), *ids][:200]
    fail = Judgement(Verdict.FAIL, "it holds", "it did not", (Evidence("routed-reachability-1", (1, 2)),))
    reports = [
        report(*(judged(name, fail if (n + each) % 7 == 0 else PASS) for n, name in enumerate(ids)), profile=f"p{each}")
        for each in range(30)
    ]
    matrix = build(reports)
    assert (len(matrix.rows), len(matrix.columns)) == (200, 30)
    assert len(render_markdown(matrix)) > 100_000
    assert len(shown(matrix)) > 100_000


# Words


# Parts of the matrix


def test_parts_of_the_matrix_have_only_columns_with_a_verdict_there() -> None:
    workload = report(judged(REACHED, PASS), profile="network")
    agent = report(judged("lldp.interval", PASS), profile="agent")
    both = report(judged(REACHED, PASS), judged("lldp.interval", Judgement(Verdict.UNSUPPORTED)), profile="both")
    matrix = build([workload, agent, both])
    shown_in = {part.title: [matrix.columns[index].label for index in part.columns] for part in matrix.views()}
    assert shown_in == {"Workload networks": ["network", "both"], "Movers and link protocols": ["agent"]}


def test_a_part_that_is_mostly_empty_is_a_table_for_each_family() -> None:
    names = ("lldp.interval", "lacp.actor-fields", "stp.hello", "bridge.move-learned")
    matrix = build([report(judged(name, PASS), profile=name.partition(".")[0]) for name in names])
    (part,) = matrix.views()
    assert [len(table.columns) for table in matrix.split(part)] == [1, 1, 1, 1]


def test_reports_of_one_product_and_version_are_beside_each_other() -> None:
    made = [report(judged(REACHED, PASS), profile=name, version=version)
            for name, version in (("a", "2"), ("b", "1"), ("c", "2"))]  # fmt: skip
    assert [each.header.profile for each in grid.by_product(made)] == ["b", "a", "c"]
