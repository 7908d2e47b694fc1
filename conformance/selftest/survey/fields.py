"""Fields of a frame: where each one lies, bit by bit, by the formats of the protocols and not by what checks decode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple


class Field(NamedTuple):
    """One field: its name (``protocol.field``), and the first bit and the number of bits that it has in the frame."""

    name: str
    at: int
    width: int

    def read(self, frame: bytes) -> int:
        """The field's value in a frame."""
        first, end = self.at // 8, (self.at + self.width + 7) // 8
        word = int.from_bytes(frame[first:end], "big")
        return word >> (end * 8 - self.at - self.width) & (1 << self.width) - 1

    def write(self, frame: bytes, value: int) -> bytes:
        """The frame with another value in the field."""
        first, end = self.at // 8, (self.at + self.width + 7) // 8
        shift = end * 8 - self.at - self.width
        word = int.from_bytes(frame[first:end], "big") & ~((1 << self.width) - 1 << shift)
        return frame[:first] + (word | value << shift).to_bytes(end - first, "big") + frame[end:]


Sums = tuple[int, int, int, bytes]
"""A checksum: the offset of its two octets, where what it covers begins and ends, and what is summed besides."""


@dataclass
class Layout:
    """The fields of one frame, in their order, and what it is: the name of the last protocol that was recognised.

    `sums` are the Internet checksums (RFC 1071) in it, the innermost last. `end` is where the last protocol ends, in
    octets: padding follows.
    """

    frame: bytes
    kind: str = "ethernet"
    fields: list[Field] = field(default_factory=list)
    sums: list[Sums] = field(default_factory=list)
    end: int = 0

    def take(self, protocol: str, at: int, form: Form) -> int:
        """Add the fields of a form from an octet on, as far as the frame has them; return the octet behind it."""
        place = at * 8
        for name, width in form:
            if place + width > len(self.frame) * 8:
                return len(self.frame)
            self.fields.append(Field(f"{protocol}.{name}", place, width))
            place += width
        return place // 8

    def rest(self, name: str, at: int, end: int) -> None:
        """Add a field of whole octets, if it has any."""
        end = min(end, len(self.frame))
        if end > at:
            self.fields.append(Field(name, at * 8, (end - at) * 8))


Form = Sequence[tuple[str, int]]
"""Names and widths in bits of consecutive fields."""


def form(text: str) -> Form:
    """A form from ``name bits, name bits``."""
    pairs = (one.split() for one in text.split(","))
    return tuple((name, int(width)) for name, width in pairs)


def number(frame: bytes, at: int, octets: int = 2) -> int:
    """An unsigned number of the frame."""
    return int.from_bytes(frame[at : at + octets], "big")


SWAPPED: Final = (
    ("source", "destination"), ("sender", "target"), ("actor", "partner"), ("root", "bridge"),
    ("chassis-id", "port-id"), ("max-age", "forward-delay"), ("hello-time", "message-age"),
)  # fmt: skip
"""Words in the names of fields that are taken for one another."""


def twin_of(fields: Sequence[Field], one: Field) -> Field | None:
    """The field that another one could be mistaken for: of one width, and its twin by name."""
    for this, that in (*SWAPPED, *((b, a) for a, b in SWAPPED)):
        if this in one.name:
            name = one.name.replace(this, that)
            found = next((other for other in fields if other.name == name and other.width == one.width), None)
            if found is not None and found is not one:
                return found
    return None
