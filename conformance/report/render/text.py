"""Text of others made safe to print: one line, no control character, nothing that a terminal or XML would obey."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    r"""`text` with every character that is not printable (and not in `keep`) as its escape, such as ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(
        char if char in keep or char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def one_line(text: str) -> str:
    """`text` in one printable line: runs of white space, line ends among them, become one space."""
    return printable(" ".join(text.split()))


def encodable(text: str) -> str:
    r"""`text` with lone surrogates (undecodable bytes of a log) as escapes, so that it can be written as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def plural(number: int, word: str) -> str:
    """``1 case``, ``2 cases``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def number_text(value: float) -> str:
    """A figure with three significant digits, never as a power of ten; whole numbers in full."""
    if float(value).is_integer():
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.6f}"
