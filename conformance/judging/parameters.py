"""Parameters that many checks are repeated over, and their values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from conformance.policy.document import Transport
from conformance.recording.model import AddressFamily

Word = TypeVar("Word", bound=str)

FAMILIES: Final[tuple[AddressFamily, ...]] = ("ipv4", "ipv6")
PROTOCOLS: Final[tuple[Transport, ...]] = ("tcp", "udp", "icmp")


def word_of(text: str, words: Iterable[Word]) -> Word:
    """The one of `words` that a text is. Raises ValueError where it is none."""
    for word in words:
        if word == text:
            return word
    raise ValueError(f"{text!r} is none of {', '.join(words)}")
