"""Documentation that lists things says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from conformance import documentation

ROOT = Path(__file__).parents[2]


def test_generated_pages_are_as_the_code_says() -> None:
    for path, text in documentation.pages():
        assert path.read_text() == text, f"{path.name} is stale: run python -m conformance.documentation"


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("*/README.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
