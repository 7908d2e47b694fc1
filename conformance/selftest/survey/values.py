"""What is done to a field: another value in it, with the checksums around it made right again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conformance.protocols.ndp import checksum
from conformance.selftest.survey.fields import Field, Layout, twin_of
from conformance.selftest.survey.layouts import layout

ZERO: Final = "zero"
ONES: Final = "all ones"
PLUS_ONE: Final = "plus one"
STALE: Final = "stale"
SWAPPED: Final = "swapped"
BYTE_ORDER: Final = "wrong byte order"


def values(made: Layout, one: Field, earlier: int | None) -> Iterator[tuple[str, int]]:
    """Each way to alter a field, and the value that it then has: never the one that it has already.

    `earlier` is the value that an earlier frame of the same sender had there, None without one.
    """
    value, most = one.read(made.frame), (1 << one.width) - 1
    found = [(ZERO, 0), (ONES, most), (PLUS_ONE, value + 1 & most)]
    if earlier is not None:
        found.append((STALE, earlier & most))
    if one.width % 8 == 0 and one.width > 8 and one.at % 8 == 0:
        octets = one.width // 8
        found.append((BYTE_ORDER, int.from_bytes(value.to_bytes(octets, "big"), "little")))
    twin = twin_of(made.fields, one)
    if twin is not None:
        found.append((SWAPPED, twin.read(made.frame)))
    known = {value}
    for how, new in found:
        if new not in known:
            known.add(new)
            yield how, new


def written(frame: bytes, name: str, how: str, value: int) -> bytes | None:
    """The frame with a value in the field of that name; None where it has no such field.

    Swapped fields change places. A checksum that was right is right again, unless it is what was altered.
    """
    made = layout(frame)
    found = next((one for one in made.fields if one.name == name), None)
    if found is None:
        return None
    altered = found.write(frame, value & (1 << found.width) - 1)
    if how == SWAPPED:
        twin = twin_of(made.fields, found)
        if twin is not None:
            altered = twin.write(altered, found.read(frame))
    return altered if name.endswith(".checksum") else summed(made, altered)


def summed(before: Layout, altered: bytes) -> bytes:
    """An altered frame, with each checksum made right again that was right before.

    Where the alteration changes what the frame is, the checksums of its old layout are left as they are.
    """
    after = layout(altered)
    for old, new in zip(reversed(before.sums), reversed(after.sums), strict=False):
        if old[0] != new[0] or not _right(before.frame, old):
            continue
        at, begin, end, pseudo = new
        body = altered[begin:at] + b"\0\0" + altered[at + 2 : end]
        total = checksum(pseudo + body)
        if not total and at - begin == 6:
            total = 0xFFFF  # RFC 768: a sum of zero is sent as all ones
        altered = altered[:at] + total.to_bytes(2, "big") + altered[at + 2 :]
    return altered


def _right(frame: bytes, one: tuple[int, int, int, bytes]) -> bool:
    at, begin, end, pseudo = one
    told = frame[at : at + 2]
    made = checksum(pseudo + frame[begin:at] + b"\0\0" + frame[at + 2 : end]).to_bytes(2, "big")
    return told == made or (told == b"\xff\xff" and made == b"\0\0")
