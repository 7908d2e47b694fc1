"""The documentation site: what is generated for it, in the Markdown that its builder reads."""

from __future__ import annotations

import re

from conformance.upkeep import site


def test_links_to_the_repository_become_names() -> None:
    text = "see [the page](ARCHITECTURE.md#arrow), [profiles](profiles/README.md) and [RFC](https://example.org)"
    assert site.plain_links(text) == "see [the page](architecture.md#arrow), [profiles] and [RFC](https://example.org)"
    assert site.plain_links("[decisions](docs/decisions/index.md#top)") == "[decisions](decisions/index.md#top)"


def test_what_commonmark_escapes_is_read_as_text() -> None:
    text = "a \\< b \\~ c \\| d \\_\\n- one\n  - two\n"
    assert site.for_python_markdown(text) == "a &lt; b ~ c &#124; d \\_\\n- one\n    - two\n"


def test_every_published_report_has_a_page_that_others_link_to() -> None:
    made = dict(site.pages())
    linked = re.findall(r"\]\(([^/)]+\.md)\)", made["implementations/index.md"])
    assert linked
    assert {f"implementations/{name}" for name in linked} == {
        path for path in made if path.startswith("implementations/") and not path.endswith("index.md")
    }
    assert "<svg" in made["images/matrix.svg"]
    assert made["matrix.html"].startswith("<!doctype html>")
