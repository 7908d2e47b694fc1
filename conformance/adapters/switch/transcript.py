"""What was said to a device and what it said: the evidence of a verdict that a command decided, without secrets."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

MASK: Final = "********"
_WORDS: Final = (
    "password|passwd|passphrase|secret|community|key|key-string|psk|md5|auth|priv|token|bearer|authkey|apikey"
    "|plain-text-password-value"
)
"""Words of configurations and answers that a secret follows, also as the end of a longer word (``pre-shared-key``)."""
_FORMS: Final = (
    r"\d{1,3}|ascii-text|hexadecimal|hash|encrypted|cipher|clear|plaintext|simple|localized|local|remote|key|scrypt|md5"
    r"|sha(?:-?\d{1,3})?|aes(?:-?\d{1,3})?|3?des(?:-?\d{1,3})?|hmac-\S{1,20}|pbkdf2"
)
"""How a secret is written down: words between it and its own word."""
_KEYWORDS: Final = re.compile(
    rf"(?i)(\b(?:{_WORDS})\b[\"']?[ \t]*[:=]?[ \t]+(?:(?:{_FORMS})[ \t]+){{0,4}})(\"[^\"\n]*\"|[^\s;]+)"
)
_HASHES: Final = re.compile(r"\$(?:[1-9]|1[0-9]|2[abxy]?|y|7|sha1|argon2\w*|scrypt)\$[^\s\";]+")
"""Passwords as crypt(5) and Junos (``$9$``) write them, wherever they are."""
_END: Final = r"-----END [A-Z ]{0,40}PRIVATE KEY-----"
_PRIVATE: Final = re.compile(rf"(-----BEGIN [A-Z ]{{0,40}}PRIVATE KEY-----).*?({_END}|\Z)", re.DOTALL)


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
        text = _PRIVATE.sub(rf"\1 {MASK} \2", text)
        return _HASHES.sub(MASK, _KEYWORDS.sub(rf"\1{MASK}", text))

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
