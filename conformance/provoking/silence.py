"""The only place that waits for nothing: silence that a requirement asks for."""

from __future__ import annotations

import threading


def keep_silent(seconds: float) -> None:
    """Send nothing for that long. The caller names the clause through the constant of `limits` that it gives."""
    threading.Event().wait(seconds)
