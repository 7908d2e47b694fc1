"""What was said to a device and what it said: the evidence of a verdict that a command decided, without secrets."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MASK: Final = "********"
_KEYWORDS: Final = re.compile(
    r"(?i)(\b(?:password|passphrase|secret|community|pre-shared-key|md5|key-string)\b[ \t]+(?:\d[ \t]+)?)(\S+)"
)
"""What follows these words in a configuration is a secret, in the clear or hashed (``secret 5 $1$...``)."""


class Transcript:
    """A file of everything that was sent and received, written as it happens."""

    def __init__(self, path: Path, secrets: Iterable[str] = ()) -> None:
        self.path = path
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        path.parent.mkdir(parents=True, exist_ok=True)

    def masked(self, text: str) -> str:
        """`text` without what is known to be secret and what looks like it."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return _KEYWORDS.sub(rf"\1{MASK}", text)

    def sent(self, command: str) -> None:
        """A command that is being sent."""
        self._write(f"> {command}")

    def received(self, output: str) -> None:
        """What came back."""
        self._write("\n".join(f"  {line}" for line in output.splitlines()) or "  (nothing)")

    def note(self, text: str) -> None:
        """Something that happened."""
        self._write(f"# {text}")

    def _write(self, text: str) -> None:
        stamp = time.strftime("%H:%M:%S", time.gmtime())
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{stamp} {self.masked(text)}\n")
