"""Documentation that lists things says what the code says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from conformance.upkeep import documentation
from conformance.upkeep.documentation import blocks

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


def test_every_family_has_its_page() -> None:
    folders = {path.parent for path in (ROOT / "conformance" / "families").glob("*/__init__.py")}
    assert {path.parent for path, _ in documentation.pages() if path.name == "README.md"} == folders


def test_a_block_is_replaced_and_the_rest_kept() -> None:
    page = "before\n<!-- begin names (made) -->\nold\n<!-- end names -->\nafter\n"
    made = blocks.replaced(page, "names", "| new |")
    assert made == "before\n<!-- begin names (made) -->\n\n| new |\n\n<!-- end names -->\nafter\n"
    assert blocks.replaced(made, "names", "| new |") == made
    with pytest.raises(LookupError, match="0 blocks named 'others'"):
        blocks.replaced(page, "others", "")


def test_links_lead_somewhere() -> None:
    folders = ("*.md", "*/README.md", "conformance/families/*/README.md", "docs/decisions/*.md")
    for page in (path for folder in folders for path in ROOT.glob(folder)):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
