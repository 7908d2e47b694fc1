"""The page as people use it, in Debian's Chromium: filters, cells, comparison, deep links, keyboard, accessibility."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Literal
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

import reports
from conformance.report.render.page import render_page

pytestmark = pytest.mark.browser

PATIENCE_MS = 30_000
"""For each step in the browser: generous, since the machine is shared."""
CELL = "#cell=docker-overlay/nat.tcp-untranslated"
SHOWN = "tr.requirement:not(.out):visible"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with this module: its event loop runs in this thread, where other tests ask the kernel by another."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is not installed: make test installs it, or apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The addresses of pages over all published reports, over three of them, and over the synthetic ones."""
    folder = tmp_path_factory.mktemp("pages")
    wanted = {
        "published": reports.published(),
        "small": reports.published("docker-overlay", "nat-bridge", "vxlan"),
        "made": reports.synthetic(),
    }
    for name, listed in wanted.items():
        (folder / f"{name}.html").write_text(render_page(listed), encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in wanted}


@pytest.fixture
def published(pages: dict[str, str]) -> str:
    return pages["published"]


@pytest.fixture
def made(pages: dict[str, str]) -> str:
    return pages["made"]


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


def visit(page: Page, address: str) -> None:
    """Open a page and wait until all of it is laid out."""
    page.goto(address)
    expect(page.locator("tbody.later")).to_have_count(0)


def cell(label: str, requirement: str) -> str:
    """The selector of one cell."""
    return f'td > a[href="#cell={quote(label, safe="")}/{requirement}"]'


# --- filters --------------------------------------------------------------------------------------------------------
def test_a_verdict_filter_leaves_only_rows_that_have_it(page: Page, published: str) -> None:
    visit(page, published)
    every = page.locator(SHOWN).count()
    page.locator("[data-verdict=f]").click()
    assert 0 < page.locator(SHOWN).count() < every
    for letters in page.locator(SHOWN).evaluate_all("rows => rows.map(row => row.dataset.v)"):
        assert "f" in letters
    expect(page.locator("#status")).to_contain_text("Shown:")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator(SHOWN)).to_have_count(every)


def test_text_level_family_and_implementation_narrow_it(page: Page, published: str) -> None:
    visit(page, published)
    page.get_by_label("Search").fill("hop limit")
    expect(page.locator(SHOWN).locator("th")).to_contain_text(["route.hop-limit"])
    page.get_by_label("Search").fill("")
    page.get_by_role("button", name="MUST", exact=True).click()
    levels = page.locator(f"{SHOWN} .level").all_inner_texts()
    assert levels
    assert set(levels) == {"MUST"}
    page.locator("summary", has_text="Families").click()
    page.get_by_role("checkbox", name="Neighbour discovery nd").check()
    ids = page.locator(f"{SHOWN} th a").all_inner_texts()
    assert ids
    assert all(name.startswith("nd.") for name in ids)
    page.locator("summary", has_text="Implementations").click()
    page.get_by_role("checkbox", name=re.compile("^vxlan")).check()
    expect(page.locator("th.head:visible")).to_have_count(1)
    assert "only=vxlan" in page.url
    page.get_by_label("Search").fill("nothing has this")
    expect(page.locator("#empty")).to_be_visible()


def test_families_fold(page: Page, published: str) -> None:
    visit(page, published)
    page.get_by_role("button", name="Fold families").click()
    expect(page.locator("tr.requirement:visible")).to_have_count(0)
    expect(page.locator("tr.family td.sum").first).to_be_visible()
    toggle = page.get_by_role("button", name=re.compile("^Routability"))
    expect(toggle).to_have_attribute("aria-expanded", "false")
    toggle.click()
    expect(page.locator('tbody[data-family="route"] tr.requirement').first).to_be_visible()


# --- what a cell opens ----------------------------------------------------------------------------------------------
def test_a_cell_opens_what_happened(page: Page, published: str) -> None:
    visit(page, published)
    page.locator(cell("docker-overlay", "nat.tcp-untranslated")).click()
    panel = page.get_by_role("dialog", name=re.compile("nat.tcp-untranslated"))
    expect(panel).to_be_visible()
    for text in (
        "expected",
        "seen",
        "Deciding frames",
        "frames.pcapng",
        "tshark -r",
        "plugfest run docker-overlay --only",
    ):
        expect(panel).to_contain_text(text)
    expect(panel.locator("svg.sequence").first).to_be_visible()
    assert panel.locator("svg.sequence .hop").count() > 0
    page.go_back()
    expect(panel).to_be_hidden()


def test_deviation_attempts_and_figures_are_shown(page: Page, made: str) -> None:
    visit(page, f"{made}#cell=masq/nat.tcp-untranslated")
    panel = page.locator("#panel")
    expect(panel).to_contain_text(
        "Known deviation: masquerading is wanted <b>here</b> — network team, until 2026-12-31"
    )
    expect(panel.locator(".hop.changed")).to_have_count(1)
    expect(panel).to_contain_text("it is the same <script>alert(1)</script>")
    visit(page, f"{made}#cell=shaky/nat.tcp-untranslated")
    expect(panel).to_contain_text("~ flaky")
    expect(panel.locator("h4", has_text="Attempts")).to_be_visible()
    visit(page, f"{made}#cell=masq/move.blackout")
    expect(panel.locator(".chart .mine")).to_have_text("masq")
    expect(panel.locator(".chart .value")).to_have_text(["41.5", "3"])


def test_requirements_and_implementations_open_too(page: Page, published: str) -> None:
    visit(page, published)
    page.get_by_role("link", name="route.hop-limit").click()
    panel = page.locator("#panel")
    expect(panel).to_contain_text("passes when")
    page.locator("th.head a", has_text="docker-overlay").click()
    expect(panel).to_contain_text("Docker Engine 20.10.24")
    expect(panel).to_contain_text("What it fails")


# --- comparison -----------------------------------------------------------------------------------------------------
def test_two_columns_are_compared(page: Page, published: str) -> None:
    visit(page, published)
    page.get_by_label("Compare one implementation").select_option(label="nat-bridge")
    page.get_by_label("Compare another implementation").select_option(label="routed-64")
    expect(page.locator("#status")).to_contain_text(
        re.compile(r"nat-bridge and routed-64 differ in the verdict on \d+")
    )
    expect(page.locator("th.head:visible")).to_have_count(2)
    differing = page.locator(SHOWN).count()
    assert page.locator(f"{SHOWN} .told:visible").count() >= differing
    page.get_by_label("only differences").uncheck()
    assert page.locator(SHOWN).count() > differing
    page.reload()
    expect(page.locator("th.head:visible")).to_have_count(2)


# --- links and keyboard -----------------------------------------------------------------------------------------------
def test_a_deep_link_opens_the_same_view(page: Page, published: str) -> None:
    visit(page, f"{published}#verdict=f&family=nat&cell=docker-overlay/nat.tcp-untranslated")
    expect(page.get_by_role("dialog", name=re.compile("nat.tcp-untranslated"))).to_be_visible()
    expect(page.locator("[data-verdict=f]")).to_have_attribute("aria-pressed", "true")
    ids = page.locator(f"{SHOWN} th a").all_inner_texts()
    assert all(name.startswith("nat.") for name in ids)


def test_a_link_to_nothing_opens_nothing(page: Page, published: str) -> None:
    visit(page, f"{published}#cell=unheard/of&compare=x,y&implementation=%00")
    expect(page.locator(SHOWN).first).to_be_visible()
    expect(page.locator("#panel")).to_be_hidden()


def test_the_keyboard_is_enough(page: Page, published: str) -> None:
    visit(page, published)
    first = page.locator('td > a[tabindex="0"]')
    expect(first).to_have_count(1)
    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    focused = page.evaluate("document.activeElement.hash")
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "panel-title"
    page.keyboard.press("n")
    expect(page.locator("#panel .badge.f").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    assert page.evaluate("document.activeElement.tagName") == "A"
    page.keyboard.press("Control+Home")
    assert page.evaluate("document.activeElement.hash") != focused
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "text"


def test_a_focused_cell_is_not_hidden_behind_the_headers(page: Page, published: str) -> None:
    page.set_viewport_size({"width": 700, "height": 620})
    visit(page, published)
    page.locator('td > a[tabindex="0"]').focus()
    for key in ("Control+End", *["ArrowUp"] * 30, "Home"):
        page.keyboard.press(key)
    assert page.evaluate(
        """() => {
            const box = document.activeElement.getBoundingClientRect();
            const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return document.activeElement.matches("td a") && document.activeElement.contains(top);
        }"""
    )


# --- for everybody ----------------------------------------------------------------------------------------------------
VIEWS = [
    ("light", 1400, ""),
    ("dark", 1400, CELL),
    ("light", 1400, "#compare=nat-bridge,vxlan&implementation=vxlan"),
    ("dark", 390, "#folded=route,nat"),
    ("light", 390, CELL),
]


@pytest.mark.parametrize(("scheme", "width", "place"), VIEWS)
def test_nothing_stands_in_the_way_of_others(
    page: Page, pages: dict[str, str], scheme: Literal["light", "dark"], width: int, place: str
) -> None:
    """WCAG 2.2 as far as axe can tell; skip-link is off since it takes every address behind a # for one."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    visit(page, f"{pages['small']}{place}")
    expect(page.locator("#status")).not_to_be_empty()
    found = Axe().run(page, options={"resultTypes": ["violations"], "rules": {"skip-link": {"enabled": False}}})
    assert not [f"{each['id']}: {each['nodes'][0]['html']:.160}" for each in found.response["violations"]]


def test_nothing_is_asked_of_the_network_and_nothing_is_run(page: Page, made: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: asked.append(f"dialog {dialog.message}"))
    visit(page, f"{made}#cell=masq/nat.tcp-untranslated")
    expect(page.locator("#panel")).to_be_visible()
    assert [url for url in asked if not url.startswith("file:")] == []


def test_print_shows_the_matrix_without_controls(page: Page, published: str) -> None:
    visit(page, published)
    page.emulate_media(media="print")
    expect(page.locator(".controls")).to_be_hidden()
    expect(page.locator(SHOWN).last).to_be_visible()


def test_the_theme_can_be_chosen(page: Page, published: str) -> None:
    visit(page, published)
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    page.locator("#theme").click()
    expect(page.locator("#theme")).to_have_text("Theme: dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.get_by_role("button", name="Keys and signs").click()
    expect(page.get_by_role("dialog", name="Keys and signs")).to_be_visible()


# --- views --------------------------------------------------------------------------------------------------------
def test_a_view_has_its_rows_and_only_columns_with_a_verdict_there(page: Page, published: str) -> None:
    visit(page, f"{published}#view=filter")
    families = page.locator(SHOWN).evaluate_all(
        "rows => [...new Set(rows.map(row => row.closest('tbody').dataset.view))]"
    )
    assert families == ["filter"]
    shown = page.locator("thead th.head:visible").evaluate_all(
        "heads => heads.map(head => Number(head.dataset.column))"
    )
    rows = page.locator("tbody[data-view=filter] tr.requirement").evaluate_all("rows => rows.map(row => row.dataset.v)")
    judged = [column for column in range(len(rows[0])) if any(row[column] in "pfie" for row in rows)]
    assert shown == judged
    page.get_by_role("button", name="Everything").click()
    expect(page.locator("thead th.head:visible")).to_have_count(len(rows[0]))
