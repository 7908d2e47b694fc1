"""Where profiles, testbeds and policies lie: beside the package when installed, at the tree's top in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Final


def _find(name: str) -> Path:
    installed = Path(__file__).parent / "_data" / name
    return installed if installed.is_dir() else Path(__file__).parent.parent / name


PROFILES: Final = _find("profiles")
FIXTURES: Final = _find("fixtures")
TESTBEDS: Final = FIXTURES / "testbeds"
POLICIES: Final = FIXTURES / "policies"
