"""The terminal: its width and colours, and how the user overrides them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def choose_colour(wanted: str) -> None:
    """Have everything that is printed follow `wanted`; ``auto`` leaves it to the terminal, and to ``NO_COLOR``."""
    if wanted == "never":
        os.environ["NO_COLOR"] = "1"
        os.environ.pop("FORCE_COLOR", None)
    elif wanted == "always":
        os.environ.pop("NO_COLOR", None)
        os.environ["FORCE_COLOR"] = "1"


def console() -> Console:
    """Standard output: as wide and as colourful as the terminal, plain without one."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, color_system=None if os.environ.get("NO_COLOR") else "auto")
