"""The pictures of the documentation, taken of the page over the published reports: ``tox -e screenshots``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import expect, sync_playwright

import reports
from conformance.report.render.page import render_page

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
WIDE: Final = (1360, 850)
PHONE: Final = (390, 844)
CELL: Final = "#verdict=f&cell=nat-bridge/nat.tcp-untranslated"
SHOTS: Final[dict[str, tuple[str, Literal["light", "dark"], tuple[int, int]]]] = {
    "page-light": ("", "light", WIDE),
    "page-dark": ("#verdict=f", "dark", WIDE),
    "panel-light": (CELL, "light", WIDE),
    "panel-dark": (CELL, "dark", WIDE),
    "compare-light": ("#compare=docker-bridge,cni-ptp", "light", WIDE),
    "phone-light": ("", "light", PHONE),
    "phone-panel-dark": (CELL, "dark", PHONE),
}


def main() -> int:
    """Write every picture below docs/images."""
    program = shutil.which("chromium")
    if program is None:
        sys.exit("chromium is not installed")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "matrix.html"
        page.write_text(render_page(reports.published()), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, (place, scheme, (width, height)) in SHOTS.items():
            tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            tab.goto(f"{page.as_uri()}{place}")
            expect(tab.locator("tbody.later")).to_have_count(0)
            tab.screenshot(path=IMAGES / f"{name}.png")
            tab.close()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
