"""Documentation that lists things says what the code says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from conformance.upkeep import documentation

ROOT = Path(__file__).parents[2]


def test_generated_pages_are_as_the_code_says() -> None:
    for path, text in documentation.pages():
        stale = f"{path.name} is stale: run python -m conformance.upkeep.documentation"
        if path.suffix == ".json":  # the library's wording may differ from version to version
            stored, made = json.loads(path.read_text()), json.loads(text)
            assert stored["properties"].keys() == made["properties"].keys(), stale
            assert stored.get("$defs", {}).keys() == made.get("$defs", {}).keys(), stale
        else:
            assert path.read_text() == text, stale


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("*/README.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
