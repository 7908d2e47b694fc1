"""Reading the sections of a pcapng file, part after part: a walk over the blocks, everything else in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.recording import blocks
from conformance.recording.blocks import (
    INTERFACE,
    OLD_PACKET,
    PACKET,
    SECTION,
    SIMPLE_PACKET,
    SMALLEST,
    STATISTICS,
    Order,
    Section,
)
from conformance.recording.capture import CUT, LARGEST, Columns, Part, Tap, joined

Words = NDArray[np.uint32]
Rows = NDArray[np.int64]

MOST_SECTIONS: Final = 10_000
"""Sections of one file beyond which it is taken for nonsense; tools write one, and files put together have few."""
_FIELDS: Final = range(2, 7)
"""Words of an enhanced packet block: tap, high and low half of its time, length captured, length on the wire."""
_TIMES: Final = np.uint64(2**63 - 1)


@dataclass(slots=True)
class Run:
    """Blocks of one section that follow each other: where each starts, and where the last one ends (in words).

    `mixed`: not all packets are enhanced ones. `problem` is what is wrong with the block at `end`, if anything is.
    """

    end: int
    packets: list[int] = field(default_factory=list)
    interfaces: list[int] = field(default_factory=list)
    statistics: list[int] = field(default_factory=list)
    mixed: bool = False
    problem: str | None = None


class SectionReader:
    """Reads all sections of one file (see `capture.Reader`).

    No block takes part that lies behind a broken one, so that the parts in which a file comes make no difference.
    """

    def __init__(self) -> None:
        self._section = Section("<")
        self._before: list[Tap] = []
        self._sections = 0

    @property
    def taps(self) -> list[Tap]:
        """The taps of all sections so far, in the order of their descriptions."""
        return self._before + [one.tap for one in self._section.interfaces]

    def part(self, data: bytes, *, last: bool) -> Part:
        """The frames in `data`, offsets counted from its start; `last`: nothing follows."""
        views: dict[Order, Words] = {}
        found: list[Columns] = []
        position, run = -1, Run(0)
        while run.problem is None and run.end != position:
            position = run.end
            problem = self._begin(data, position * 4)
            if problem is not None:
                run.problem = problem
                break
            order = self._section.order
            if order not in views:
                words = np.frombuffer(data, dtype=f"{order}u4", count=len(data) >> 2)
                views[order] = words.astype(np.uint32, copy=False)
            run = _walk(views[order], position)
            if run.packets or run.interfaces or run.statistics:
                found.append(self._columns(data, views[order], run))
        if run.problem is None and last and run.end * 4 < len(data):
            run.problem = CUT
        return Part(joined(found), run.end * 4, run.problem)

    def _begin(self, data: bytes, start: int) -> str | None:
        """Begin a section if its header is there; returns what is wrong with it."""
        if len(data) - start < 12 or data[start : start + 4] != blocks.MAGIC:
            return None
        order = blocks.byte_order(data, start)
        self._sections += 1
        if order is None or self._sections > MOST_SECTIONS:
            return blocks.NO_ORDER if order is None else f"more than {MOST_SECTIONS} sections"
        self._before += [one.tap for one in self._section.interfaces]
        self._section = Section(order)
        return None

    def _columns(self, data: bytes, words: Words, run: Run) -> Columns:
        """The columns of a run's packets; a broken one ends the run. Takes in what the run says of interfaces."""
        section, described = self._section, len(self._section.interfaces)
        at = np.array(run.packets, dtype=np.int64)
        size = words[at + 1].astype(np.int64)
        at, size = _until(run, words[at + (size >> 2) - 1] == size, at, size)
        for place in run.interfaces:
            blocks.read_interface(data, section, place * 4, int(words[place + 1]))
        known = described + np.searchsorted(np.array(run.interfaces, dtype=np.int64), at)
        kind = words[at]
        head = np.where(kind == SIMPLE_PACKET, 12, 28)
        fields = [words[np.minimum(at + number, len(words) - 1)].astype(np.int64) for number in _FIELDS]
        if run.mixed:
            fields = _mixed(kind, size, section, fields)
        good = (fields[0] < known) & (fields[3] <= size - head - 4)
        at, size, head, tap, high, low, length, original = _until(run, good, at, size, head, *fields)
        del section.interfaces[described + sum(place < run.end for place in run.interfaces) :]
        for place in run.statistics:
            if place < run.end:
                blocks.read_statistics(data, section, place * 4, int(words[place + 1]))
        offset = at * 4 + head
        options = np.where(head == 28, offset + ((length + 3) & ~3), at * 4 + size - 4)
        return {
            "tap": tap + len(self._before),
            "time_ns": _time(section, tap, high, low),
            "offset": offset,
            "length": length,
            "original": original,
            "flags": _flags(data, words, section.order, options, at * 4 + size - 4),
        }


def _walk(words: Words, position: int) -> Run:
    """Find the blocks from a place on, up to the next section, one that is not whole, or one that cannot be.

    The loop is the only work done per frame in Python.
    """
    view, first, end = words.data, position, len(words)
    run = Run(position)
    starts = run.packets
    while position + 2 < end:
        kind, size = view[position], view[position + 1]
        following = position + (size >> 2)
        if kind == SECTION and position > first:
            break
        if size & 3 or not SMALLEST.get(kind, 12) <= size <= LARGEST:
            run.problem = f"{blocks.IMPOSSIBLE} ({size})"
            break
        if following > end:
            break
        if kind == PACKET:
            starts.append(position)
        elif view[following - 1] != size:
            run.problem = blocks.CONTRADICTION
            break
        else:
            _note(run, kind, position)
        position = following
    run.end = position
    return run


def _note(run: Run, kind: int, position: int) -> None:
    if kind in (SIMPLE_PACKET, OLD_PACKET):
        run.mixed = True
        run.packets.append(position)
    elif kind == INTERFACE:
        run.interfaces.append(position)
    elif kind == STATISTICS:
        run.statistics.append(position)


def _until(run: Run, good: NDArray[np.bool_], at: Rows, *others: Rows) -> list[Rows]:
    """All arrays up to the first packet that is not `good`, which ends the run; `at` is where each starts."""
    if good.all():
        return [at, *others]
    stop = int(np.argmin(good))
    run.end, run.problem = int(at[stop]), blocks.CONTRADICTION
    return [array[:stop] for array in (at, *others)]


def _mixed(kind: NDArray[Any], size: Rows, section: Section, fields: Sequence[Rows]) -> list[Rows]:
    """`fields` where some blocks are simple (no time, tap 0) or of the obsolete kind (tap of 16 bits)."""
    tap, high, low, length, original = fields
    simple = kind == SIMPLE_PACKET
    snap = (section.interfaces[0].snap if section.interfaces else 0) or 1 << 32
    cut = np.minimum(np.minimum(tap, snap), size - 16)
    old_tap = tap & 0xFFFF if section.order == "<" else tap >> 16
    return [
        np.where(simple, 0, np.where(kind == OLD_PACKET, old_tap, tap)),
        np.where(simple, 0, high),
        np.where(simple, 0, low),
        np.where(simple, cut, length),
        np.where(simple, tap, original),
    ]


def _time(section: Section, tap: Rows, high: Rows, low: Rows) -> Rows:
    """Nanoseconds since 1970; a value that 63 bits do not hold wraps around."""
    stamp = high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64)
    others = [n for n, one in enumerate(section.interfaces) if not one.clock.counts_nanoseconds]
    if others:
        rows = np.argsort(tap, kind="stable")
        bounds = np.searchsorted(tap[rows], np.arange(len(section.interfaces) + 1))
        for number in others:
            mine = rows[bounds[number] : bounds[number + 1]]
            if len(mine):
                stamp[mine] = section.interfaces[number].clock.nanoseconds(stamp[mine])
    return (stamp & _TIMES).astype(np.int64)


def _flags(data: bytes, words: Words, order: Order, start: Rows, end: Rows) -> NDArray[np.uint32]:
    """epb_flags of every packet: found at once where it is the first option, else by looking through them."""
    flags = np.zeros(len(start), dtype=np.uint32)
    some = np.flatnonzero(end - start >= 8)
    first = words[start[some] >> 2]
    swift = first == (0x0004_0002 if order == "<" else 0x0002_0004)
    flags[some[swift]] = words[(start[some[swift]] >> 2) + 1]
    for row in some[~swift & (first != 0)].tolist():
        flags[row] = blocks.flags_of(data, order, int(start[row]), int(end[row]))
    return flags
