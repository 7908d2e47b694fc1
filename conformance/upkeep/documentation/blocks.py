"""Generated blocks inside pages that people write: the whitelist of imports in ARCHITECTURE.md.

A block lies between two comments, ``<!-- begin NAME ... -->`` and ``<!-- end NAME -->``; what lies outside is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.upkeep import architecture
from conformance.upkeep.documentation.place import ROOT

PAGE: Final = ROOT / "ARCHITECTURE.md"


def pages() -> Iterator[tuple[Path, str]]:
    """Yield ARCHITECTURE.md with its blocks as the code says. Raises LookupError where a block is not there."""
    page = replaced(PAGE.read_text(), "whitelist", "\n".join(architecture.table()))
    yield PAGE, replaced(page, "exceptions", "\n".join(architecture.exceptions()))


def replaced(page: str, name: str, content: str) -> str:
    """The page with the block `name` holding `content`. Raises LookupError where the page has no such block."""
    block = re.compile(rf"(<!-- begin {name}\b[^\n]*-->\n).*?(<!-- end {name} -->)", re.DOTALL)
    made, count = block.subn(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", page)
    if count != 1:
        raise LookupError(f"{count} blocks named {name!r}; write <!-- begin {name} --> and <!-- end {name} -->")
    return made
