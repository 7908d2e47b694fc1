"""Documentation that lists things says what the code says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conformance.adapters.interface.registry import adapter_for
from conformance.profile import Profile, available, load, parse
from conformance.upkeep import documentation
from conformance.upkeep.documentation import blocks
from conformance.upkeep.documentation.kinds import settings_model

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


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


def test_the_family_that_is_shown_is_one(tmp_path: Path) -> None:
    """The files of docs/family.md, installed as a distribution of their own, are a family with a fault."""
    page = (ROOT / "docs" / "family.md").read_text()
    package, installed = tmp_path / "plugfest_link", tmp_path / "plugfest_link-1.0.dist-info"
    package.mkdir()
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: plugfest-link\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[conformance.families]\nlink = plugfest_link\n")
    for name, text in re.findall(r"### `([a-z_.]+)`\n\n```[a-z]+\n(.*?)```", page, re.DOTALL):
        (package / name).write_text(text)
    said = subprocess.run(
        [sys.executable, "-m", "conformance", "explain", "link"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert "link.interface-up: SUITE" in said.stdout
    assert "reads the scenario attached" in said.stdout
    assert "left-down: the interface of an endpoint is left down" in said.stdout


# --- what a reader copies ------------------------------------------------------------------------------------------
def samples(path: Path) -> list[str]:
    """The blocks of TOML of a page that are whole profiles."""
    return [text for text in re.findall(r"```toml\n(.*?)```", path.read_text(), re.DOTALL) if text.startswith("schema")]


@pytest.mark.parametrize("page", sorted((DOCS / "kinds").glob("*.md")), ids=lambda page: page.stem)
def test_the_page_of_a_kind_has_every_key_and_a_profile_that_loads(page: Path) -> None:
    if page.stem == "index":
        assert set(Profile.model_fields) - {"schema_version"} <= set(
            re.findall(r"^\| `(\w+)`", page.read_text(), re.MULTILINE)
        )
        return
    (text,) = samples(page)
    profile = parse(tomllib.loads(text), page.name)
    assert profile.kind == page.stem
    assert text.strip() == available()[profile.name].read_text().strip(), "the shipped one, which lab tests run"
    assert list(adapter_for(profile).plan())
    for name, field in settings_model(profile.kind).model_fields.items():
        assert f"| `{field.alias or name}` |" in page.read_text()


def test_every_shipped_kind_has_a_page() -> None:
    kinds = {load(name).kind for name in available() if name != "plain-wire"}
    assert {page.stem for page in (DOCS / "kinds").glob("*.md")} == kinds | {"index"}


def test_the_sample_of_a_profile_is_whole() -> None:
    (text,) = samples(DOCS / "profile.md")
    assert list(adapter_for(parse(tomllib.loads(text), "profile.md")).plan())


def test_the_first_page_is_short() -> None:
    text = (ROOT / "README.md").read_text()
    (transcript,) = re.findall(r"\n\n```\n(.*?)```", text, re.DOTALL)[:1]
    lines = transcript.strip("\n").splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100
    assert "does not conform" in lines[0]
    assert text.count("![") == 1
    assert len(text.splitlines()) < 90
